//! Random bytes and names made of them.

use std::str::FromStr;

use crate::error::StoreError;

/// `N` bytes from the system's cryptographic generator.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| StoreError::NoRandomness)?;
    Ok(bytes)
}

/// A new id of `N` random bytes, written as `2 * N` hexadecimal digits.
pub(crate) fn hex_id<Id, const N: usize>() -> Result<Id, StoreError>
where
    Id: FromStr,
    Id::Err: std::fmt::Debug,
{
    Ok(hex(&bytes::<N>()?).parse().expect("hexadecimal digits within the id's length are an id"))
}

/// The bytes as hexadecimal digits in lower case.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
