//! Bytes on their way from a remote origin.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use reqwest::Response;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use vidpass_token::UnixTime;

use super::error::FetchError;
use super::head::{Told, Want};
use super::remote::{Remote, Target};
use crate::serve::conditional::EntityTag;
use crate::serve::range::Spec;

/// A part of a file that an origin is sending. It is read no faster than it is asked for.
pub(crate) struct Transfer {
    origin: Arc<Remote>,
    target: Arc<Target>,
    response: Response,
    /// Read before the viewer was told anything.
    first: Option<Bytes>,
    position: u64,
    end: u64,
    /// The strong tag with which the rest can be asked for once, should the connection break.
    resumable: Option<EntityTag>,
    now: UnixTime,
    /// The origin's request is over when this is gone.
    _slot: OwnedSemaphorePermit,
}

impl Transfer {
    pub(super) fn new(
        origin: Arc<Remote>,
        target: Arc<Target>,
        response: Response,
        part: Range<u64>,
        tag: Option<EntityTag>,
        now: UnixTime,
        slot: OwnedSemaphorePermit,
    ) -> Self {
        let resumable = tag.filter(EntityTag::is_strong);
        Self { origin, target, response, first: None, position: part.start, end: part.end, resumable, now, _slot: slot }
    }

    /// Video and path, for logs.
    pub(crate) fn name(&self) -> Arc<str> {
        Arc::clone(&self.target.name)
    }

    pub(super) async fn wait_for_first_bytes(&mut self) -> Result<(), FetchError> {
        if self.position < self.end {
            self.first = Some(self.read().await?);
        }
        Ok(())
    }

    /// The next bytes; `None` after the last ones.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, FetchError> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        if self.position == self.end {
            return Ok(None);
        }
        let after = self.origin.limits.read_timeout;
        let read = timeout(after, self.read()).await.unwrap_or(Err(FetchError::Timeout { after }));
        if let Err(error) = &read {
            self.origin.metrics.broken_off(&self.origin.name).inc();
            error.log(&self.origin.name, &self.target, "an origin broke off a file");
        }
        read.map(Some)
    }

    async fn read(&mut self) -> Result<Bytes, FetchError> {
        loop {
            match self.response.chunk().await {
                Ok(Some(chunk)) if chunk.is_empty() => {}
                Ok(Some(chunk)) => return Ok(self.take(chunk)),
                Ok(None) => self.resume(FetchError::Truncated { at: self.position, end: self.end }).await?,
                Err(error) => self.resume(error.into()).await?,
            }
        }
    }

    /// Never more than was promised.
    fn take(&mut self, mut chunk: Bytes) -> Bytes {
        let left = usize::try_from(self.end - self.position).unwrap_or(usize::MAX);
        chunk.truncate(left);
        self.position += chunk.len() as u64;
        chunk
    }

    /// Asks for the rest of the very same file, once; else `broken` is what went wrong.
    async fn resume(&mut self, broken: FetchError) -> Result<(), FetchError> {
        let Some(tag) = self.resumable.take() else { return Err(broken) };
        let spec = Spec::FromTo { first: self.position, last: self.end - 1 };
        let want = Want::Part { spec, of: Some(tag.clone()) };
        let answer = self.origin.ask(&self.target, &want, self.now).await.and_then(|(told, response)| match told {
            Told::Part(head, part) if part == (self.position..self.end) && head.validators.etag == Some(tag) => {
                Ok(response)
            }
            Told::NotFound
            | Told::NotModified(_)
            | Told::Part(..)
            | Told::PreconditionFailed
            | Told::RangeNotSatisfiable
            | Told::Whole(_) => Err(FetchError::Changed),
        });
        self.origin.metrics.count(&self.origin.name, if answer.is_ok() { "resumed" } else { "not_resumed" });
        self.response = answer.map_err(|error| {
            error.log(&self.origin.name, &self.target, "an origin does not give the rest of a file");
            broken
        })?;
        Ok(())
    }
}
