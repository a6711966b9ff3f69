//! Tests of bodies that arrive in several pieces.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
};

use record::ByteSize;

use super::*;
use crate::save::Quota;

fn hidden(folder: &Folder) -> usize {
    fs::read_dir(folder.path().join(Folder::PARTIAL)).map_or(0, Iterator::count)
}

async fn begin(folder: &Folder, announced: Option<u64>) -> Result<Partial, SaveError> {
    Partial::begin(folder, &SafeName::parse("a").unwrap(), Existing::Replace, announced).await
}

#[tokio::test]
async fn a_body_of_several_pieces_is_named_and_digested_as_a_whole() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = Folder::open(temporary.path()).unwrap();
    let mut partial = begin(&folder, None).await.unwrap();
    for piece in ["a", "b"] {
        partial.take(piece.into()).await.unwrap();
        partial.pause().await.unwrap();
    }
    assert_eq!((partial.bytes(), hidden(&folder)), (2, 1));
    assert!(!temporary.path().join("a").exists());
    partial.take("c".into()).await.unwrap();
    let receipt = partial.finish(Duration::from_secs(2)).await.unwrap();
    assert_eq!((receipt.bytes, receipt.saved.as_deref()), (3, Some("a")));
    assert_eq!(receipt.digest.as_deref(), Some("06b05ab6733a618578af5f94892f3950"));
    assert_eq!(fs::read(temporary.path().join("a")).unwrap(), b"abc");
    assert_eq!(hidden(&folder), 0);
}

#[tokio::test]
async fn the_pieces_of_a_long_body_keep_their_order_over_pauses() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = Folder::open(temporary.path()).unwrap();
    let content: Vec<u8> = (0..3_000_000_u32).map(|i| (i ^ (i >> 9)) as u8).collect();
    let mut partial = begin(&folder, Some(content.len() as u64)).await.unwrap();
    for (index, piece) in content.chunks(70_001).enumerate() {
        partial.take(Bytes::copy_from_slice(piece)).await.unwrap();
        if index % 5 == 3 {
            partial.pause().await.unwrap();
        }
    }
    partial.finish(Duration::ZERO).await.unwrap();
    assert!(fs::read(temporary.path().join("a")).unwrap() == content);
}

#[tokio::test]
async fn a_partial_body_counts_against_the_quota_until_it_is_discarded() {
    let temporary = tempfile::tempdir().unwrap();
    let quota = Quota { max_stored: Some(ByteSize(10)), min_free: Some(ByteSize(0)) };
    let folder = Folder::open(temporary.path()).unwrap().with_quota(quota).unwrap();
    let partial = begin(&folder, Some(8)).await.unwrap();
    assert!(matches!(begin(&folder, Some(3)).await, Err(SaveError::QuotaReached)));
    partial.discard().await.unwrap();
    assert_eq!(hidden(&folder), 0);
}

#[tokio::test]
async fn a_piece_beyond_the_quota_leaves_the_body_as_it_was() {
    let temporary = tempfile::tempdir().unwrap();
    let quota = Quota { max_stored: Some(ByteSize(10)), min_free: Some(ByteSize(0)) };
    let folder = Folder::open(temporary.path()).unwrap().with_quota(quota).unwrap();
    let mut partial = begin(&folder, None).await.unwrap();
    partial.take("ab".into()).await.unwrap();
    for _ in 0..2 {
        let taken = partial.take(Bytes::from(vec![0; 9])).await;
        assert!(matches!(taken, Err(SaveError::QuotaReached)), "{taken:?}");
        assert_eq!((partial.bytes(), partial.is_lost()), (2, false));
        partial.pause().await.unwrap();
    }
    partial.take("c".into()).await.unwrap();
    let receipt = partial.finish(Duration::ZERO).await.unwrap();
    assert_eq!(receipt.digest.as_deref(), Some("06b05ab6733a618578af5f94892f3950"));
    assert_eq!(fs::read(temporary.path().join("a")).unwrap(), b"abc");
}

#[tokio::test]
async fn a_body_returns_to_its_last_pause_if_the_disk_is_full() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = Folder::open(temporary.path()).unwrap();
    let mut partial = begin(&folder, None).await.unwrap();
    partial.take("ab".into()).await.unwrap();
    partial.pause().await.unwrap();
    partial.take(Bytes::from(vec![7; 1_000_000])).await.unwrap();
    let open = partial.open().unwrap();
    let error = partial.return_to_pause(*open, SaveError::Full).await;
    assert!(matches!(error, SaveError::Full));
    assert_eq!((partial.bytes(), partial.is_lost()), (2, false));
    partial.take("c".into()).await.unwrap();
    let receipt = partial.finish(Duration::ZERO).await.unwrap();
    assert_eq!((receipt.bytes, receipt.digest.as_deref()), (3, Some("06b05ab6733a618578af5f94892f3950")));
    assert_eq!(fs::read(temporary.path().join("a")).unwrap(), b"abc");
}

#[tokio::test]
async fn any_other_error_loses_the_body() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = Folder::open(temporary.path()).unwrap();
    let mut partial = begin(&folder, None).await.unwrap();
    partial.take("ab".into()).await.unwrap();
    let open = partial.open().unwrap();
    partial.return_to_pause(*open, SaveError::TooLarge).await;
    assert!(partial.is_lost() && matches!(partial.take("a".into()).await, Err(SaveError::Lost)));
}

#[tokio::test]
async fn the_file_of_a_read_only_target_can_be_written_by_its_owner_until_it_has_its_name() {
    let temporary = tempfile::tempdir().unwrap();
    let (folder, path) = (Folder::open(temporary.path()).unwrap(), temporary.path().join("a"));
    fs::write(&path, "old").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    let partial = begin(&folder, None).await.unwrap();
    let file = fs::read_dir(folder.path().join(Folder::PARTIAL)).unwrap().next().unwrap().unwrap();
    assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o644);
    partial.finish(Duration::ZERO).await.unwrap();
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o444);
}

#[tokio::test]
async fn a_link_in_place_of_the_hidden_folder_is_not_followed() {
    let (temporary, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::os::unix::fs::symlink(other.path(), temporary.path().join(Folder::PARTIAL)).unwrap();
    let folder = Folder::open(temporary.path()).unwrap();
    assert!(matches!(begin(&folder, None).await, Err(SaveError::Io(_))));
    folder.remove_abandoned().unwrap();
}

#[tokio::test]
async fn files_of_ended_processes_are_removed_and_those_of_running_ones_stay() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = Folder::open(temporary.path()).unwrap();
    let partial = begin(&folder, None).await.unwrap();
    fs::write(temporary.path().join(Folder::PARTIAL).join(".longhaul-abc.part"), "left").unwrap();
    assert_eq!(hidden(&folder), 2);
    folder.remove_abandoned().unwrap();
    assert_eq!(hidden(&folder), 1);
    partial.finish(Duration::ZERO).await.unwrap();
}
