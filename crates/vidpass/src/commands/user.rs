//! Who types, as the audit log names them.

use vidpass_store::Actor;

/// The user of the system whom this process runs as: by their name where `/etc/passwd` has it, else by their number.
pub(crate) fn actor() -> Actor {
    let uid = rustix::process::getuid().as_raw();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    Actor::Cli { user: name_of(uid, &users).map_or_else(|| uid.to_string(), str::to_owned) }
}

/// The name in a line of passwd(5).
fn name_of(uid: u32, users: &str) -> Option<&str> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (number.parse() == Ok(uid)).then_some(name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_called_by_name_where_there_is_one() {
        let users = "root:x:0:0:root:/root:/bin/sh\n# none\nbroken:x\nops:x:1000:1000::/home/ops:/bin/sh\n";
        for (uid, name) in [(0, Some("root")), (1000, Some("ops")), (1001, None)] {
            assert_eq!(name_of(uid, users), name, "{uid}");
        }
    }
}
