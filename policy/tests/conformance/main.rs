//! What the engine must do over every database: run on SQLite, and on the PostgreSQL server that
//! `ALLOD_TEST_POSTGRES` names.

mod clients;
mod documents;
mod grants;
mod household;
mod rights;
mod sealed;
mod storage;
