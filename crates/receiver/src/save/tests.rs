//! Tests of saving, on the file system of the temporary folder.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::Path,
    pin::pin,
    sync::mpsc,
    time::Duration,
};

use bytes::Bytes;
use futures_util::FutureExt as _;
use tempfile::TempDir;
use tokio::{runtime::Builder, task::spawn_blocking, time::sleep};

use super::{unfinished::Unfinished, *};

fn entries(folder: &TempDir) -> Vec<String> {
    let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    fs::read_dir(folder.path()).unwrap().map(name).collect()
}

fn folder() -> (TempDir, Folder) {
    let temporary = tempfile::tempdir().unwrap();
    let folder = Folder::open(temporary.path()).unwrap();
    (temporary, folder)
}

fn name(text: &str) -> SafeName {
    SafeName::parse(text).unwrap()
}

async fn begin(folder: &Folder, existing: Existing) -> Result<Saver, SaveError> {
    Saver::begin(folder, &name("a"), existing, None).await
}

async fn replacing(folder: &Folder) -> Saver {
    begin(folder, Existing::Replace).await.unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

#[tokio::test]
async fn a_saved_file_is_whole_and_seen_only_at_the_end() {
    let (temporary, folder) = folder();
    let body: Vec<u8> = (0..1_000_003_u32).map(|i| (i >> 4) as u8).collect();
    let mut saver = replacing(&folder).await;
    for piece in body.chunks(65_563) {
        saver.take(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    assert!(entries(&temporary).iter().all(|entry| entry.starts_with('.')));
    assert_eq!(saver.finish().await.unwrap(), "a");
    assert_eq!(entries(&temporary), ["a"]);
    let path = temporary.path().join("a");
    assert!(fs::read(&path).unwrap() == body);
    fs::write(temporary.path().join("other"), "").unwrap();
    assert_eq!(mode(&path), mode(&temporary.path().join("other")), "the umask decides");
}

#[tokio::test]
async fn an_unfinished_file_leaves_nothing() {
    let (temporary, folder) = folder();
    let mut saver = replacing(&folder).await;
    saver.take(vec![0; 3 << 20].into()).await.unwrap();
    drop(saver);
    // Another thread removes the hidden file, so the test waits for it.
    for _ in 0..500 {
        if entries(&temporary).is_empty() {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("left behind: {:?}", entries(&temporary));
}

#[tokio::test]
async fn the_last_of_two_to_finish_wins_whole() {
    let (temporary, folder) = folder();
    let (mut first, mut second) = (replacing(&folder).await, replacing(&folder).await);
    second.take(vec![2; 10].into()).await.unwrap();
    first.take(vec![1; 1000].into()).await.unwrap();
    first.finish().await.unwrap();
    second.finish().await.unwrap();
    assert_eq!(fs::read(temporary.path().join("a")).unwrap(), [2; 10]);
    assert_eq!(entries(&temporary), ["a"]);
}

#[tokio::test]
async fn a_replaced_file_keeps_its_permissions() {
    let (temporary, folder) = folder();
    let path = temporary.path().join("a");
    for permissions in [0o600, 0o640, 0o777] {
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(permissions)).unwrap();
        replacing(&folder).await.finish().await.unwrap();
        assert_eq!((mode(&path), fs::read(&path).unwrap()), (permissions, Vec::new()));
    }
}

#[tokio::test]
async fn a_file_that_is_kept_is_kept_at_the_last_moment() {
    let (temporary, folder) = folder();
    let (first, second) = (begin(&folder, Existing::Keep).await.unwrap(), replacing(&folder).await);
    second.finish().await.unwrap();
    assert!(matches!(first.finish().await, Err(SaveError::Exists)));
    assert!(matches!(begin(&folder, Existing::Keep).await, Err(SaveError::Exists)));
    assert_eq!(entries(&temporary), ["a"]);
}

#[test]
fn files_with_hidden_names_have_the_same_guarantees() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("a");
    let hidden = |text: &str| {
        let unfinished = Unfinished::hidden(temporary.path(), 0o600).unwrap();
        (&**unfinished.file()).write_all(text.as_bytes()).unwrap();
        unfinished.file().sync_all().unwrap();
        unfinished
    };
    drop(hidden("dropped"));
    assert!(entries(&temporary).is_empty());
    hidden("one").name(&path, Existing::Keep).unwrap();
    assert!(matches!(hidden("two").name(&path, Existing::Keep), Err(SaveError::Exists)));
    let error = Unfinished::hidden(&path, 0o600).unwrap_err().to_string();
    assert!(!error.contains("longhaul"), "strangers read this: {error}");
    hidden("three").name(&path, Existing::Replace).unwrap();
    assert_eq!((fs::read(&path).unwrap(), entries(&temporary)), (b"three".to_vec(), vec!["a".to_owned()]));
}

#[tokio::test]
async fn links_and_folders_are_neither_overwritten_nor_read() {
    let (temporary, folder) = folder();
    symlink("/etc/passwd", temporary.path().join("link")).unwrap();
    fs::create_dir(temporary.path().join("sub")).unwrap();
    let begin = async |text| Saver::begin(&folder, &name(text), Existing::Replace, None).await;
    assert!(matches!(begin("link").await, Err(SaveError::Symlink)));
    assert!(matches!(begin("sub").await, Err(SaveError::NotAFile)));
    assert!(matches!(folder.read(&name("link")), Err(SaveError::Symlink)));
    assert!(matches!(folder.read(&name("sub")), Err(SaveError::NotAFile)));
    assert!(matches!(folder.read(&name("none")), Err(SaveError::Missing)));
}

#[test]
fn a_folder_that_is_not_there_cannot_be_opened() {
    assert!(Folder::open(Path::new("/no/such/folder")).is_err());
}

#[tokio::test]
async fn a_quota_refuses_announced_and_chunked_bodies() {
    let (temporary, folder) = folder();
    let quota = Quota { max_stored: Some(record::ByteSize(1 << 20)), ..Quota::default() };
    let folder = folder.with_quota(quota).unwrap();
    let announced = Saver::begin(&folder, &name("b"), Existing::Replace, Some((1 << 20) + 1)).await;
    assert!(matches!(announced, Err(SaveError::QuotaReached)));
    let mut chunked = replacing(&folder).await;
    let taken = chunked.take(vec![0; 2 << 20].into()).await;
    assert!(matches!(taken, Err(SaveError::QuotaReached)), "{taken:?}");
    drop(chunked);
    let mut fitting = replacing(&folder).await;
    fitting.take(vec![0; 1 << 20].into()).await.unwrap();
    fitting.finish().await.unwrap();
    assert_eq!(entries(&temporary), ["a"]);
}

#[tokio::test]
async fn a_held_file_gets_its_name_only_when_it_is_kept() {
    let (temporary, folder) = folder();
    for keep in [false, true] {
        let mut saver = replacing(&folder).await;
        saver.take("abc".into()).await.unwrap();
        let slot = Slot::default();
        slot.fill(saver.complete().await.unwrap());
        let held = HeldFile(slot);
        if keep {
            held.keep().await.unwrap()
        } else {
            drop(held)
        }
        assert_eq!(temporary.path().join("a").exists(), keep);
    }
}

/// The only blocking thread is busy while the transfer is given up, as with a slow disk.
#[test]
fn a_body_that_was_given_up_never_gets_its_name() {
    let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(1).build().unwrap();
    let (temporary, folder) = folder();
    runtime.block_on(async {
        let complete = replacing(&folder).await.complete().await.unwrap();
        let (release, released) = mpsc::channel::<()>();
        let busy = spawn_blocking(move || released.recv());
        {
            let naming = pin!(complete.name());
            assert!(naming.now_or_never().is_none());
        }
        drop(release);
        let _ = busy.await;
        // This task runs after all tasks that were queued before.
        spawn_blocking(|| ()).await.unwrap();
    });
    assert!(!temporary.path().join("a").exists());
}

#[tokio::test]
async fn a_user_replaces_files_of_any_name() {
    use std::os::unix::ffi::OsStrExt as _;
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join(std::ffi::OsStr::from_bytes(b".\xff"));
    for text in ["one", "two"] {
        let mut saver = Saver::begin_at(&path, Some(3)).await.unwrap();
        saver.take(text.into()).await.unwrap();
        saver.finish().await.unwrap();
        assert_eq!(fs::read(&path).unwrap(), text.as_bytes());
    }
}

#[tokio::test]
async fn the_first_of_two_bodies_for_one_version_wins() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = Folder::open(temporary.path()).unwrap();
    let path = temporary.path().join("a");
    fs::write(&path, "old").unwrap();
    let version = FileVersion::of(&fs::metadata(&path).unwrap());
    let mut first = begin(&folder, Existing::Unchanged(version)).await.unwrap();
    let second = begin(&folder, Existing::Unchanged(version)).await.unwrap();
    first.take("new".into()).await.unwrap();
    first.finish().await.unwrap();
    assert!(matches!(second.finish().await, Err(SaveError::Changed)));
    assert_eq!(fs::read(&path).unwrap(), b"new");
    fs::remove_file(&path).unwrap();
    let third = begin(&folder, Existing::Unchanged(version)).await.unwrap();
    assert!(matches!(third.finish().await, Err(SaveError::Changed)));
    assert!(!path.exists());
}
