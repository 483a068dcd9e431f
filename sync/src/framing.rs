//! Messages on a stream: the length in four bytes, big-endian, and the bytes.

use bytes::Bytes;
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use sync_core::Limits;

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FramingError {
    #[error("the peer announced {0} bytes, more than a message may have")]
    TooLarge(usize),
    #[error("the stream failed: {0}")]
    Io(#[from] std::io::Error),
}

/// Reads a message of at most `most` bytes; `None` at the end of the stream between two messages.
/// Memory grows with what arrives, not with what is announced.
pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin), most: usize) -> Result<Option<Bytes>, FramingError> {
    let mut head = [0u8; 4];
    let mut filled = 0;
    while filled < head.len() {
        match stream.read(&mut head[filled..]).await? {
            0 if filled == 0 => return Ok(None),
            0 => return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()),
            n => filled += n,
        }
    }
    let len = u32::from_be_bytes(head) as usize;
    if len > most {
        return Err(FramingError::TooLarge(len));
    }
    let mut body = Vec::with_capacity(len.min(64 << 10));
    stream.take(len as u64).read_to_end(&mut body).await?;
    if body.len() < len {
        return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
    }
    Ok(Some(body.into()))
}

/// Writes a message and flushes.
pub(crate) async fn write(stream: &mut (impl AsyncWrite + Unpin), message: &[u8]) -> Result<(), FramingError> {
    let len = u32::try_from(message.len()).ok().filter(|&len| len as usize <= Limits::MESSAGE_BYTES);
    let len = len.ok_or(FramingError::TooLarge(message.len()))?;
    stream.write_all(&len.to_be_bytes()).await?;
    stream.write_all(message).await?;
    stream.flush().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::io::Cursor;

    #[tokio::test]
    async fn a_message_is_read_as_written_and_a_hostile_one_is_refused() {
        let mut wire = Cursor::new(Vec::new());
        write(&mut wire, b"hello").await.unwrap();
        let bytes = wire.into_inner();
        let mut good = Cursor::new(bytes.clone());
        assert_eq!(read(&mut good, 100).await.unwrap().unwrap().as_ref(), b"hello");
        assert!(read(&mut good, 100).await.unwrap().is_none());
        for cut in 1..bytes.len() {
            assert!(read(&mut Cursor::new(bytes[..cut].to_vec()), 100).await.is_err(), "cut at {cut}");
        }
        assert!(matches!(read(&mut Cursor::new(bytes), 4).await, Err(FramingError::TooLarge(5))));
        let huge = Cursor::new(vec![0xff; 100]);
        assert!(matches!(read(&mut { huge }, Limits::MESSAGE_BYTES).await, Err(FramingError::TooLarge(_))));
    }
}
