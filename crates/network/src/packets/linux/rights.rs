//! The faults of missing rights: each states what was refused, and the remedy.

use std::{fs, io};

use nix::errno::Errno;

use crate::RelayFault;

/// The kernel's settings that keep users from namespaces: the file below `/proc/sys`, the value that forbids
/// namespaces, and the remedy.
const SWITCHES: [(&str, &str, &str); 3] = [
    ("user/max_user_namespaces", "0", "user.max_user_namespaces=10000"),
    ("kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"),
    ("kernel/apparmor_restrict_unprivileged_userns", "1", "kernel.apparmor_restrict_unprivileged_userns=0"),
];

/// The remedy if the reason for missing rights is unknown.
const AS_ROOT: &str = "run it as root, or the container with '--cap-add SYS_ADMIN --cap-add NET_ADMIN'";

/// The device file of the TUN driver.
const TUN: &str = "/dev/net/tun";

fn fault(message: String) -> RelayFault {
    RelayFault { message, is_unsupported: true }
}

/// Returns the fault of a kernel that creates no network namespace, although the rights suffice.
pub(super) fn without_network_namespace(errno: Errno) -> RelayFault {
    let remedy = match errno {
        Errno::EINVAL => "it is built without CONFIG_NET_NS, and another kernel is needed".to_owned(),
        Errno::ENOSPC => "raise the limit with 'sysctl user.max_net_namespaces=10000'".to_owned(),
        _ => AS_ROOT.to_owned(),
    };
    fault(format!("the kernel gives this process no network namespace ({}); {remedy}", errno.desc()))
}

/// Returns the fault of a kernel that creates no user namespace.
pub(super) fn without_user_namespace(errno: Errno) -> RelayFault {
    fault(format!(
        "a network of packets needs a user namespace, which the kernel refuses ({}); {}",
        errno.desc(),
        remedy(errno)
    ))
}

/// Returns the fault of a process that may not map its user into its own user namespace.
pub(super) fn without_map(error: &io::Error) -> RelayFault {
    fault(format!("the user namespace of the network gets no user ({error}); {}", remedy(Errno::EPERM)))
}

/// Returns the fault of a user namespace that exists but grants no rights.
pub(super) fn without_rights_of_its_own(errno: Errno) -> RelayFault {
    fault(format!(
        "the user namespace of the network grants no network namespace ({}); {}",
        errno.desc(),
        remedy(errno)
    ))
}

/// Returns the fault of a driver of TUN interfaces that cannot be opened.
pub(super) fn without_tun(error: &io::Error) -> RelayFault {
    let remedy = match error.kind() {
        io::ErrorKind::PermissionDenied => format!(
            "run the container with '--device {TUN}', or as root, or let users open it ('chmod 0666 {TUN}')"
        ),
        _ => format!("load the driver with 'modprobe tun', or run the container with '--device {TUN}'"),
    };
    fault(format!("{TUN} cannot be opened ({error}), which a network of packets needs; {remedy}"))
}

/// Returns the fault of a driver that creates no interface.
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

/// Returns whether the text of `/proc/…/status` reports a filter of system calls.
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
