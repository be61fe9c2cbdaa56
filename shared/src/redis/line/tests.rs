use tokio::net::{TcpListener, TcpStream};

use super::super::address::Address;
use super::*;

/// A connection to a server that answers HELLO with this.
async fn connect(greeting: &str) -> (FredResult<Line>, TcpStream, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let address = Address::parse(&format!("redis://:secret@127.0.0.1:{port}")).expect("valid");
    let endpoint = address.endpoint(&address.servers[0]);
    let (sender, heard) = mpsc::unbounded_channel();
    let hear = move |channel: &str, message: Bytes| {
        let _ = sender.send(format!("{channel} {}", String::from_utf8_lossy(&message)));
    };
    let serve = async {
        let (mut server, _) = listener.accept().await.expect("a connection");
        expect(
            &mut server,
            "*5\r\n$5\r\nHELLO\r\n$1\r\n3\r\n$4\r\nAUTH\r\n$7\r\ndefault\r\n$6\r\nsecret\r\n",
        )
        .await;
        server.write_all(greeting.as_bytes()).await.expect("written");
        server
    };
    let (line, server) = tokio::join!(Line::connect(&endpoint, hear), serve);
    (line, server, heard)
}

async fn expect(server: &mut TcpStream, text: &str) {
    let mut read = vec![0; text.len()];
    server.read_exact(&mut read).await.expect("enough");
    assert_eq!(String::from_utf8_lossy(&read), text);
}

const WELCOME: &str = "%1\r\n$5\r\nproto\r\n:3\r\n";

#[tokio::test]
async fn answers_are_told_to_whom_they_belong_and_messages_between_them_are_heard() {
    let (line, mut server, mut heard) = connect(WELCOME).await;
    let line = line.expect("connected");
    let told = async {
        let (a, b) = tokio::join!(
            line.mouthpiece.subscribe("a", false),
            line.mouthpiece.subscribe("b", true),
        );
        line.mouthpiece.unsubscribe("a", false).await.expect("not heard");
        let gone = line.mouthpiece.unsubscribe("b", true).await;
        (a, b, gone)
    };
    let serve = async {
        expect(
            &mut server,
            "*2\r\n$10\r\nssubscribe\r\n$1\r\na\r\n*2\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n",
        )
        .await;
        let answers = "-MOVED 7 other:1\r\n>3\r\n$8\r\nsmessage\r\n$1\r\nc\r\n$2\r\nhi\r\n\
                       >3\r\n$12\r\nsunsubscribe\r\n$1\r\nd\r\n:0\r\n>3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:1\r\n";
        server.write_all(answers.as_bytes()).await.expect("written");
        expect(&mut server, "*2\r\n$12\r\nsunsubscribe\r\n$1\r\na\r\n").await;
        server.write_all(b"-MOVED 7 other:1\r\n").await.expect("written");
        expect(&mut server, "*2\r\n$11\r\nunsubscribe\r\n$1\r\nb\r\n").await;
        let answer = ">3\r\n$11\r\nunsubscribe\r\n$1\r\nb\r\n:0\r\n";
        server.write_all(answer.as_bytes()).await.expect("written");
    };
    let ((a, b, gone), ()) = tokio::join!(told, serve);
    assert_eq!(a.expect_err("moved").details(), "MOVED 7 other:1");
    b.expect("subscribed");
    gone.expect("unsubscribed");
    assert_eq!(heard.recv().await.as_deref(), Some("c hi"));
    line.end().await;
    assert_eq!(heard.recv().await, None);
}

#[tokio::test]
async fn an_answer_that_does_not_fit_ends_the_connection() {
    for answer in [
        ">3\r\n$10\r\nssubscribe\r\n$1\r\nb\r\n:1\r\n",
        "+PONG\r\n",
        ":1\r\n",
        "rubbish\r\n",
        "",
    ] {
        let (line, mut server, _) = connect(WELCOME).await;
        let line = line.expect("connected");
        let serve = async {
            expect(&mut server, "*2\r\n$10\r\nssubscribe\r\n$1\r\na\r\n").await;
            server.write_all(answer.as_bytes()).await.expect("written");
            if answer.is_empty() {
                server.shutdown().await.expect("closed");
            }
        };
        let (told, ()) = tokio::join!(line.mouthpiece.subscribe("a", false), serve);
        told.expect_err("no answer");
        line.lost().await;
    }
}

#[tokio::test]
async fn who_is_not_let_in_is_told_why() {
    let (line, ..) = connect("-WRONGPASS invalid username-password pair\r\n").await;
    let Err(error) = line else {
        panic!("connected");
    };
    assert!(error.details().starts_with("WRONGPASS"), "{error}");
}
