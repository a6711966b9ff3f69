//! Proxies, with and without buffering.

use super::{Expected, Program, Role, program};

const fn proxy(name: &'static str, command: &'static [&'static str], expected: Expected) -> Program {
    program(name, Role::Proxy, command, expected)
}

macro_rules! nginx {
    ($name:literal, $buffering:literal, $expected:ident) => {
        proxy(
            $name,
            &["nginx", "-g", "daemon off;", "-c", "{folder}/config", "-p", "{folder}"],
            Expected::$expected,
        )
        .with_config(concat!(
            "user root;\npid {folder}/pid;\nerror_log {folder}/error.log;\nevents {}\nhttp {\n access_log off;\n",
            " client_max_body_size 0;\n proxy_request_buffering ",
            $buffering,
            ";\n proxy_buffering ",
            $buffering,
            ";\n proxy_max_temp_file_size 8192m;\n client_body_temp_path {folder}/client_body;\n proxy_temp_path {folder}/proxy;\n",
            " fastcgi_temp_path {folder}/fastcgi;\n uwsgi_temp_path {folder}/uwsgi;\n scgi_temp_path {folder}/scgi;\n",
            " server { listen 127.0.0.1:{listen}; location / { proxy_pass http://127.0.0.1:{upstream}; proxy_http_version 1.1; } }\n}\n"
        ))
        // A GiB passes within a second, which is too short to read the memory of two processes often enough.
        .with_sizes("256MiB,1GiB,4GiB")
    };
}

pub(super) const PROXIES: &[Program] = &[
    nginx!("nginx, buffering off", "off", Constant),
    nginx!("nginx, buffering on", "on", Spooled),
    proxy("haproxy", &["haproxy", "-db", "-f", "{folder}/config"], Expected::Constant)
        .with_config(concat!(
            "defaults\n mode http\n timeout connect 5s\n timeout client 60s\n timeout server 60s\n",
            "frontend front\n bind 127.0.0.1:{listen}\n default_backend back\n",
            "backend back\n server origin 127.0.0.1:{upstream}\n"
        ))
        .speaking("h1c,h2c"),
    proxy(
        "Caddy",
        &["caddy", "run", "--adapter", "caddyfile", "--config", "{folder}/config"],
        Expected::Constant,
    )
    .with_config(concat!(
        "{\n admin off\n auto_https off\n persist_config off\n servers {\n  protocols h1 h2c\n }\n}\n",
        "http://127.0.0.1:{listen} {\n reverse_proxy 127.0.0.1:{upstream}\n}\n"
    ))
    // A Go heap of that size rises between collections by up to 4 MiB per GiB, an eighth of this limit.
    .with_slope_limit("32MiB")
    .speaking("h1c,h2c"),
    // h2o 2.2 takes in whole bodies in both directions. A buffer of more than 32 MiB is a file below `temp-buffer-path`
    // that h2o maps into memory (documentation of that directive, `h2o_buffer_reserve`). The pages of the file are
    // resident, so the verdict is GROWING and not SPOOLED. Streaming of uploads and a cap on responses came with 2.3.
    proxy("h2o", &["h2o", "-c", "{folder}/config"], Expected::Growing)
        .with_config(concat!(
            "listen:\n  host: 127.0.0.1\n  port: {listen}\nhosts:\n  default:\n",
            "    paths:\n      /:\n        proxy.reverse.url: http://127.0.0.1:{upstream}/\n"
        ))
        .speaking("h1c,h2c"),
];
