//! HTTP over `wasi:http`.

use crate::bindings::sink::wasi::http::outgoing_handler::handle;
use crate::bindings::sink::wasi::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingBody, IncomingResponse, Method, OutgoingBody,
    OutgoingRequest, RequestOptions, Scheme,
};
use crate::bindings::sink::wasi::io::streams::{OutputStream, StreamError};
use crate::http::{split_url, Request, Response};
use crate::Error;
use std::time::Duration;

/// Sends a request and reads the whole answer.
pub(crate) fn send(request: &Request<'_>, timeout: Option<Duration>) -> Result<Response, Error> {
    let outgoing = prepare(request)?;
    let options = RequestOptions::new();
    if let Some(timeout) = timeout {
        let nanos = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
        options.set_connect_timeout(Some(nanos)).map_err(|()| invalid("timeout"))?;
        options.set_first_byte_timeout(Some(nanos)).map_err(|()| invalid("timeout"))?;
        options.set_between_bytes_timeout(Some(nanos)).map_err(|()| invalid("timeout"))?;
    }
    let body = outgoing.body().map_err(|()| invalid("body"))?;
    // The body is written while the request is under way: it may be larger than what the host buffers.
    let future = handle(outgoing, Some(options)).map_err(|code| failed(request, &code))?;
    write_body(body, request)?;
    read_response(request, wait(request, &future)?)
}

fn prepare(request: &Request<'_>) -> Result<OutgoingRequest, Error> {
    let (https, authority, path) = split_url(request.url())?;
    let headers = Fields::new();
    for (name, value) in request.headers() {
        headers
            .append(name, value.as_bytes())
            .map_err(|error| Error::new(format!("header `{name}`: {error:?}")))?;
    }
    let length = request.body_bytes().len().to_string();
    headers.set("content-length", &[length.into_bytes()]).map_err(|_| invalid("content-length"))?;
    let outgoing = OutgoingRequest::new(headers);
    outgoing.set_method(&method(request.method())).map_err(|()| invalid("method"))?;
    let scheme = if https { Scheme::Https } else { Scheme::Http };
    outgoing.set_scheme(Some(&scheme)).map_err(|()| invalid("scheme"))?;
    outgoing.set_authority(Some(authority)).map_err(|()| invalid("host"))?;
    outgoing.set_path_with_query(Some(&path)).map_err(|()| invalid("path"))?;
    Ok(outgoing)
}

fn write_body(body: OutgoingBody, request: &Request<'_>) -> Result<(), Error> {
    let stream = body.write().map_err(|()| invalid("body"))?;
    match write_all(&stream, request.body_bytes()) {
        // A request that was refused, or answered before all of it was sent: what became of it says why.
        Err(StreamError::Closed) => return Ok(()),
        Err(error) => {
            let error = format!("sending to {}: {error:?}", request.url());
            return Err(Error::new(error).retry());
        }
        Ok(()) => {}
    }
    drop(stream);
    OutgoingBody::finish(body, None).map_err(|code| failed(request, &code))
}

fn write_all(stream: &OutputStream, mut bytes: &[u8]) -> Result<(), StreamError> {
    while !bytes.is_empty() {
        let room = usize::try_from(stream.check_write()?).unwrap_or(usize::MAX);
        if room == 0 {
            stream.subscribe().block();
            continue;
        }
        let (now, later) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
        stream.write(now)?;
        bytes = later;
    }
    stream.flush()?;
    stream.subscribe().block();
    stream.check_write().map(|_| ())
}

fn wait(request: &Request<'_>, future: &FutureIncomingResponse) -> Result<IncomingResponse, Error> {
    future.subscribe().block();
    match future.get() {
        Some(Ok(Ok(response))) => Ok(response),
        Some(Ok(Err(code))) => Err(failed(request, &code)),
        Some(Err(())) | None => Err(Error::new("the answer was taken twice")),
    }
}

fn read_response(request: &Request<'_>, response: IncomingResponse) -> Result<Response, Error> {
    let status = response.status();
    let body = response.consume().map_err(|()| invalid("answer"))?;
    let mut bytes = Vec::new();
    {
        let stream = body.stream().map_err(|()| invalid("answer"))?;
        loop {
            match stream.blocking_read(64 * 1024) {
                Ok(chunk) => bytes.extend_from_slice(&chunk),
                Err(StreamError::Closed) => break,
                Err(error) => {
                    let error = format!("reading the answer of {}: {error:?}", request.url());
                    return Err(Error::new(error).retry());
                }
            }
        }
    }
    IncomingBody::finish(body);
    Ok(Response { status, body: bytes })
}

fn method(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "PATCH" => Method::Patch,
        "OPTIONS" => Method::Options,
        other => Method::Other(other.to_owned()),
    }
}

fn invalid(what: &str) -> Error {
    Error::new(format!("the {what} of the request is not valid"))
}

fn failed(request: &Request<'_>, code: &ErrorCode) -> Error {
    let error = |why: String| Error::new(format!("{} {}: {why}", request.method(), request.url()));
    match code {
        ErrorCode::HttpRequestDenied => {
            error("the deployment does not allow this host (--allow-http)".to_owned())
        }
        ErrorCode::HttpRequestUriInvalid
        | ErrorCode::HttpRequestMethodInvalid
        | ErrorCode::HttpRequestUriTooLong
        | ErrorCode::HttpRequestBodySize(_)
        | ErrorCode::HttpRequestHeaderSectionSize(_)
        | ErrorCode::HttpRequestHeaderSize(_) => error(format!("{code:?}")),
        _ => error(format!("{code:?}")).retry(),
    }
}
