//! Views of records: `report`, `compare`, `merge` and `reproduce`.

mod comparison;
mod merge;
mod page;
mod reproduce;
mod scale;
mod views;
