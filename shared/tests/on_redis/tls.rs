//! Redis over TLS, with certificates both ways, and a user that may do only what is needed.

use std::path::{Path, PathBuf};

use prometheus::Registry;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tidegate_shared::broker::{BrokerEvent, Draft, Link};
use tidegate_shared::config::{self, Config};
use tidegate_shared::json::RawJson;
use tidegate_shared::publication::Body;
use tidegate_shared::redis::{self, RedisMetrics, RedisUrlError};
use tidegate_shared::testing::RedisServer;
use tidegate_shared::topic::Topic;
use tokio_util::sync::CancellationToken;

use super::{publication, raw, skip_to, until};
use crate::contract;

/// An authority's certificate, and one of this machine that it has signed, with its key.
struct Files {
    ca: PathBuf,
    cert: PathBuf,
    key: PathBuf,
}

fn sign(folder: &Path) -> Files {
    let mut params = CertificateParams::new(Vec::<String>::new()).expect("valid");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority =
        CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("signed");
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("valid");
    // Of the same name as its authority it would pass for one that has signed itself.
    params.distinguished_name.push(DnType::CommonName, "redis");
    let signed = params.signed_by(&key, &authority).expect("signed");
    let files = Files {
        ca: folder.join("ca.pem"),
        cert: folder.join("redis.pem"),
        key: folder.join("redis-key.pem"),
    };
    std::fs::write(&files.ca, authority.pem()).expect("written");
    std::fs::write(&files.cert, signed.pem()).expect("written");
    std::fs::write(&files.key, key.serialize_pem()).expect("written");
    files
}

async fn start(files: &Files) -> (RedisServer, u16) {
    let text = |path: &Path| path.display().to_string();
    let (ca, cert, key) = (text(&files.ca), text(&files.cert), text(&files.key));
    for _ in 0..10 {
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
        let port = port.expect("a free port").port();
        let tls_port = port.to_string();
        let arguments = [
            "--tls-port",
            &tls_port,
            "--tls-ca-cert-file",
            &ca,
            "--tls-cert-file",
            &cert,
            "--tls-key-file",
            &key,
        ];
        if let Ok(server) = RedisServer::start_with(&arguments).await {
            return (server, port);
        }
    }
    panic!("redis-server with TLS does not start");
}

#[tokio::test]
async fn tls_with_certificates_both_ways_and_a_user_of_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = sign(folder.path());
    let (server, port) = start(&files).await;
    // What docs/operation.md says.
    let rules = [
        "ACL",
        "SETUSER",
        "tidegate",
        "on",
        ">secret",
        "~tg:*",
        "&*",
        "+@all",
        "-@dangerous",
        "+info",
        "+config|get",
    ];
    raw(&server, &rules).await;
    let config = config::Redis {
        url: format!("rediss://tidegate:secret@127.0.0.1:{port}"),
        ca: Some(files.ca.clone()),
        client: Some((files.cert.clone(), files.key.clone())),
        ..Config::default().redis
    };
    let open = |config: &config::Redis| {
        let metrics = RedisMetrics::register(&Registry::new()).expect("metrics");
        redis::open(
            config,
            &contract::namespaces(),
            &metrics,
            CancellationToken::new(),
        )
    };
    let node = open(&config).expect("its files");
    until(&node, |link| *link == Link::Up).await;
    let mut events = node.broker.events().expect("the first");
    let topic = Topic::parse("news").expect("valid");
    node.broker.attach(&topic).await.expect("attached");
    let data = RawJson::of("by TLS").expect("JSON");
    let draft = Draft::new(Body::Message { data, event: None });
    node.broker.publish(&topic, draft).await.expect("published");
    let heard = skip_to(&mut events, |event: BrokerEvent| publication(event)).await;
    assert_eq!(super::data(&heard), "\"by TLS\"");

    let anonymous = config::Redis {
        client: None,
        ..config.clone()
    };
    let refused = open(&anonymous).expect("its files");
    let strange = config::Redis {
        ca: Some(sign(tempfile::tempdir().expect("a folder").path()).ca),
        ..config.clone()
    };
    assert!(
        matches!(open(&strange), Err(RedisUrlError::Tls(_))),
        "the folder is gone"
    );
    // It is tried again and again, and never comes up.
    assert_eq!(*refused.broker.link().borrow(), Link::Connecting);
}
