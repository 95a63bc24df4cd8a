//! One file for each command: its options, and what it does.

pub mod apply;
pub mod backup;
pub mod client;
pub mod clone;
pub mod completions;
pub mod connector;
pub mod database;
pub mod diff;
pub mod doctor;
pub mod env;
pub mod export;
pub mod fixture;
pub mod history;
pub mod import;
pub mod init;
pub mod lint;
pub mod login;
pub mod plan;
pub mod promote;
pub mod pull;
pub mod rollback;
pub mod tenant;
pub mod watch;
