//! One raw Redis command over a connection of its own: enough of RESP2 for tests to look at a server,
//! or to disturb it, without going through the code under test.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// What Redis answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    Text(Vec<u8>),
    Integer(i64),
    Nil,
    Array(Vec<Reply>),
    Error(String),
}

impl Reply {
    /// The elements of an array; nothing for everything else.
    pub fn items(&self) -> &[Self] {
        match self {
            Self::Array(items) => items,
            _ => &[],
        }
    }

    pub fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            _ => None,
        }
    }
}

/// As `redis-cli --raw` shows it.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(bytes) => f.write_str(&String::from_utf8_lossy(bytes)),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Nil => Ok(()),
            Self::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    let separator = if index == 0 { "" } else { "\n" };
                    write!(f, "{separator}{item}")?;
                }
                Ok(())
            }
            Self::Error(text) => write!(f, "(error) {text}"),
        }
    }
}

/// Sends one command and reads its answer, within two seconds.
pub(super) async fn call(port: u16, arguments: &[&[u8]]) -> io::Result<Reply> {
    tokio::time::timeout(Duration::from_secs(2), exchange(port, arguments))
        .await
        .unwrap_or_else(|_| {
            Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "Redis did not answer in time",
            ))
        })
}

async fn exchange(port: u16, arguments: &[&[u8]]) -> io::Result<Reply> {
    let mut stream = BufReader::new(TcpStream::connect(("127.0.0.1", port)).await?);
    let mut request = format!("*{}\r\n", arguments.len()).into_bytes();
    for argument in arguments {
        request.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
        request.extend_from_slice(argument);
        request.extend_from_slice(b"\r\n");
    }
    stream.write_all(&request).await?;
    read_reply(&mut stream).await
}

type Reading<'a> = Pin<Box<dyn Future<Output = io::Result<Reply>> + Send + 'a>>;

fn read_reply(stream: &mut BufReader<TcpStream>) -> Reading<'_> {
    Box::pin(async move {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = line.trim_end();
        let (kind, rest) = line.split_at_checked(1).ok_or_else(|| unexpected(line))?;
        let number = || rest.parse::<i64>().map_err(|_| unexpected(line));
        match kind {
            "+" => Ok(Reply::Text(rest.as_bytes().to_vec())),
            "-" => Ok(Reply::Error(rest.to_owned())),
            ":" => number().map(Reply::Integer),
            "$" | "*" if rest == "-1" => Ok(Reply::Nil),
            "$" => {
                let length = usize::try_from(number()?).map_err(|_| unexpected(line))?;
                let mut bytes = vec![0; length + 2];
                stream.read_exact(&mut bytes).await?;
                bytes.truncate(length);
                Ok(Reply::Text(bytes))
            }
            "*" => {
                let mut items = Vec::new();
                for _ in 0..number()? {
                    items.push(read_reply(stream).await?);
                }
                Ok(Reply::Array(items))
            }
            _ => Err(unexpected(line)),
        }
    })
}

fn unexpected(line: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("unexpected answer {line:?}"))
}
