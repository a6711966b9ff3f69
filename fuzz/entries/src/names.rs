//! The entry point for the names of saved files, which clients choose.

use std::path::Path;

use receiver::save::SafeName;

/// Parses a name. An accepted name must stay within its folder, and be visible there.
pub fn names(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(name) = SafeName::parse(text) else { return };
    let folder = Path::new("/srv/uploads");
    let path = folder.join(name.as_str());
    assert_eq!(path.parent(), Some(folder), "{text:?} leaves the folder");
    assert_eq!(path.file_name().and_then(|name| name.to_str()), Some(name.as_str()), "{text:?} is changed");
    assert!(!name.as_str().starts_with('.') && !name.as_str().chars().any(char::is_control), "{text:?}");
    assert!((1..=255).contains(&name.as_str().len()), "{text:?} has a length that no file system accepts");
}
