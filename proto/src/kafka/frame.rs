//! Whole frames: header and body together, on either side of a connection.
//!
//! Java: `RequestContext.parseRequest`, `RequestContext.buildResponseSend`, `NetworkClient`.

use bytes::Bytes;

use super::api_key::{ApiKey, Request, ResponseBody};
use super::decode::Decoder;
use super::encode::{EncodeError, Encoder, ErrorTally};
use super::header::{RequestHeader, ResponseHeader};
use super::out::FrameOut;
use super::types::{Str, Tags};
use super::wire::Message;
use crate::buf::ReadError;

/// A response with its length prefix, ready for the connection.
pub fn response<M: Message>(
    key: ApiKey,
    version: i16,
    correlation_id: i32,
    body: &M,
) -> Result<FrameOut, EncodeError> {
    response_counted(key, version, correlation_id, body).map(|(frame, _)| frame)
}

/// The same, with the error codes in it.
pub fn response_counted<M: Message>(
    key: ApiKey,
    version: i16,
    correlation_id: i32,
    body: &M,
) -> Result<(FrameOut, ErrorTally), EncodeError> {
    let mut e = response_start(key, version, correlation_id);
    body.encode(&mut e, version)?;
    let errors = e.take_errors();
    Ok((e.finish_frame()?, errors))
}

/// As [`response`], for a body that carries its own key.
pub fn response_body(
    version: i16,
    correlation_id: i32,
    body: &ResponseBody,
) -> Result<FrameOut, EncodeError> {
    let mut e = response_start(body.key(), version, correlation_id);
    body.encode(&mut e, version)?;
    e.finish_frame()
}

fn response_start(key: ApiKey, version: i16, correlation_id: i32) -> Encoder {
    let mut e = Encoder::frame();
    ResponseHeader::new(correlation_id).write(&mut e, key.response_header_version(version));
    e
}

/// A request with its length prefix.
pub fn request<R: Request>(
    version: i16,
    correlation_id: i32,
    client_id: Option<Str>,
    body: &R,
) -> Result<FrameOut, EncodeError> {
    let mut e = Encoder::frame();
    RequestHeader {
        api_key: R::KEY,
        api_version: version,
        correlation_id,
        client_id,
        unknown_tags: Tags::default(),
    }
    .write(&mut e)?;
    body.encode(&mut e, version)?;
    e.finish_frame()
}

/// Reads the answer to a request of type `R` from a frame without its length prefix.
pub fn read_response<R: Request>(
    frame: &Bytes,
    version: i16,
) -> Result<(i32, R::Response), ReadError> {
    let mut d = Decoder::new(frame);
    let header = ResponseHeader::read(&mut d, R::KEY.response_header_version(version))?;
    Ok((header.correlation_id, R::Response::decode(&mut d, version)?))
}
