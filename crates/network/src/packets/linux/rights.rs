//! Missing rights: what was wrong, and what would be right.

use std::{fs, io};

use nix::errno::Errno;

use crate::RelayFault;

/// The switches of the kernel that keep users from namespaces: the file, the value that forbids, and the remedy.
const SWITCHES: [(&str, &str, &str); 3] = [
    ("user/max_user_namespaces", "0", "user.max_user_namespaces=10000"),
    ("kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"),
    ("kernel/apparmor_restrict_unprivileged_userns", "1", "kernel.apparmor_restrict_unprivileged_userns=0"),
];

/// The remedy for a process whose rights nothing tells.
const AS_ROOT: &str = "run it as root, or the container with '--cap-add SYS_ADMIN --cap-add NET_ADMIN'";

/// The file of the driver.
const TUN: &str = "/dev/net/tun";

fn fault(message: String) -> RelayFault {
    RelayFault { message, is_unsupported: true }
}

/// The kernel gives no network namespace, although the rights suffice.
pub(super) fn without_network_namespace(errno: Errno) -> RelayFault {
    let remedy = match errno {
        Errno::EINVAL => "it is built without CONFIG_NET_NS, and another kernel is needed".to_owned(),
        Errno::ENOSPC => "raise the limit with 'sysctl user.max_net_namespaces=10000'".to_owned(),
        _ => AS_ROOT.to_owned(),
    };
    fault(format!("the kernel gives this process no network namespace ({}); {remedy}", errno.desc()))
}

/// The kernel gives no user namespace.
pub(super) fn without_user_namespace(errno: Errno) -> RelayFault {
    fault(format!(
        "a network of packets needs a user namespace, which the kernel refuses ({}); {}",
        errno.desc(),
        remedy(errno)
    ))
}

/// The process may not map its user to that of its own namespace.
pub(super) fn without_map(error: &io::Error) -> RelayFault {
    fault(format!("the user namespace of the network gets no user ({error}); {}", remedy(Errno::EPERM)))
}

/// The user namespace exists, and grants nothing.
pub(super) fn without_rights_of_its_own(errno: Errno) -> RelayFault {
    fault(format!(
        "the user namespace of the network grants no network namespace ({}); {}",
        errno.desc(),
        remedy(errno)
    ))
}

/// The driver of TUN interfaces cannot be opened.
pub(super) fn without_tun(error: &io::Error) -> RelayFault {
    let remedy = match error.kind() {
        io::ErrorKind::PermissionDenied => format!(
            "run the container with '--device {TUN}', or as root, or let users open it ('chmod 0666 {TUN}')"
        ),
        _ => format!("load the driver with 'modprobe tun', or run the container with '--device {TUN}'"),
    };
    fault(format!("{TUN} cannot be opened ({error}), which a network of packets needs; {remedy}"))
}

/// The driver gives no interface.
pub(super) fn without_interface(error: &io::Error) -> RelayFault {
    fault(format!("the kernel refuses an interface for the network of packets ({error}); {AS_ROOT}"))
}

/// Returns the remedy for a refused user namespace.
fn remedy(errno: Errno) -> String {
    let set = |name: &str| fs::read_to_string(format!("/proc/sys/{name}")).unwrap_or_default();
    let switch = SWITCHES.iter().find(|(name, forbids, _)| set(name).trim() == *forbids);
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    match (switch, errno) {
        (Some((_, _, setting)), _) => format!("allow them with 'sysctl {setting}', or run it as root"),
        (None, Errno::ENOSPC) => "raise the limit with 'sysctl user.max_user_namespaces=10000'".into(),
        (None, Errno::EINVAL) => "the kernel is built without CONFIG_USER_NS: run it as root".into(),
        (None, _) if is_filtered(&status) => format!(
            "a seccomp filter is in force, as of a container: run it with '--security-opt seccomp=unconfined', \
             or {AS_ROOT}"
        ),
        _ => AS_ROOT.into(),
    }
}

/// Returns whether a `/proc/…/status` tells of a filter of system calls.
fn is_filtered(status: &str) -> bool {
    status.lines().any(|line| line.strip_prefix("Seccomp:").is_some_and(|mode| mode.trim() == "2"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_names_its_remedy() {
        let denied = io::Error::from(Errno::EACCES);
        for (fault, part) in [
            (without_network_namespace(Errno::ENOSPC), "user.max_net_namespaces"),
            (without_user_namespace(Errno::ENOSPC), "sysctl user.max_user_namespaces"),
            (without_tun(&denied), "--device /dev/net/tun"),
            (without_tun(&Errno::ENOENT.into()), "modprobe tun"),
            (without_interface(&denied), "NET_ADMIN"),
        ] {
            assert!(fault.message.contains(part) && fault.is_unsupported, "{fault}");
        }
    }

    #[test]
    fn a_filter_is_told_from_none() {
        assert!(is_filtered("Name:\tx\nSeccomp:\t2\nSeccomp_filters:\t1\n"));
        assert!(!is_filtered("Name:\tx\nSeccomp:\t0\nSeccomp_filters:\t0\n"));
    }
}
