//! The task of one link: reads packets and hands them to the core in batches, writes on when the socket
//! was full, and streams snapshots in both directions.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use proto::quorum::{PacketType, QuorumPacket};
use socket2::SockRef;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::link::{Link, Todo};
use super::{QuorumNet, dial, prepare};
use crate::peer::PeerInput;
use crate::peer::io::Port;
use crate::store::image::Image;
use crate::store::snapshot::wire::{self, Receiver};
use crate::threads::core::Core;
use crate::threads::later;
use crate::units::Zxid;

/// Bytes read by one call.
const READ: usize = 64 << 10;
/// A learner says in a few bytes who it is.
const LONGEST_FIRST: usize = 4 << 10;
/// What is worth a call.
const LEAST_ROOM: usize = 4 << 10;
/// A piece of a snapshot, and how many wait for the socket.
const PIECE: usize = 256 << 10;
const PIECES: usize = 4;

/// Why a link ends: nothing more to say, or the reason for the peer.
type End = Result<(), String>;

/// A link that this server opens.
pub(super) async fn dialled(net: Arc<QuorumNet>, link: Arc<Link>, server: i64, port: Port) {
    let Some(core) = net.core() else { return };
    let addresses = net.server(server);
    let addresses = addresses.map_or_else(Vec::new, |server| net.addresses(&server, port));
    let connecting = dial::connect(addresses, net.settings.connect_timeout);
    let connected = tokio::select! {
        connected = connecting => connected,
        () = closed(&link) => Err(String::new()),
    };
    let end = match connected {
        Ok(stream) => {
            let peer = stream.peer_addr().map_or(String::new(), |a| a.to_string());
            let settings = &net.settings;
            prepare(&stream, settings.dialled_nodelay, settings.keep_alive);
            let (read, write) = stream.into_split();
            link.open(write);
            core.peer(PeerInput::Connected { link: link.id });
            Talk::new(&net, &core, &link, read, peer, true).run().await
        }
        Err(why) => Err(why),
    };
    finish(&net, &core, &link, end);
}

/// A link that a learner has opened. The peer hears of it with its first packet: until then it is
/// anybody's connection and only has a place among those.
pub(super) async fn accepted(
    net: Arc<QuorumNet>,
    core: Arc<Core>,
    mut stream: TcpStream,
    peer: SocketAddr,
) {
    let place = net.unheard.enter(peer.ip());
    let patience = net.settings.stall_timeout;
    let mut buf = BytesMut::new();
    let heard = tokio::select! {
        biased;
        heard = first_packet(&mut stream, &mut buf) => heard,
        () = tokio::time::sleep(patience) => {
            Err(format!("it has not said who it is in {} ms (initLimit)", patience.as_millis()))
        }
        () = place.evicted() => {
            Err("it has not said who it is, and its place is needed".to_owned())
        }
    };
    drop(place);
    let packet = match heard {
        Ok(Some(packet)) => packet,
        Ok(None) => return,
        Err(why) => return core.stranger(peer, &why),
    };
    let link = net.add(net.next_accepted());
    let (read, write) = stream.into_split();
    link.open(write);
    core.peer(PeerInput::Accepted {
        link: link.id,
        peer,
    });
    core.packets(link.id, [packet]);
    let mut talk = Talk::new(&net, &core, &link, read, peer.to_string(), false);
    talk.buf = buf;
    let end = match talk.packets() {
        Ok(()) => talk.run().await,
        end => end,
    };
    finish(&net, &core, &link, end);
}

/// None when the connection ends without a byte: a check whether the port is open.
async fn first_packet(
    stream: &mut TcpStream,
    buf: &mut BytesMut,
) -> Result<Option<QuorumPacket>, String> {
    loop {
        match QuorumPacket::decode(buf, LONGEST_FIRST) {
            Ok(Some(packet)) => return Ok(Some(packet)),
            Ok(None) => {}
            Err(error) => {
                return Err(match buf.get(..4) {
                    Some(b"GET " | b"POST" | b"HEAD") => "it sent an HTTP request".to_owned(),
                    Some([0x16, 3, ..]) => {
                        "it sent a TLS hello; TLS between servers is not served here".to_owned()
                    }
                    _ => error.to_string(),
                });
            }
        }
        match stream.read_buf(buf).await {
            Ok(0) if buf.is_empty() => return Ok(None),
            Ok(0) => return Err(format!("it ended after {} bytes", buf.len())),
            Ok(_) => {}
            Err(error) => return Err(format!("cannot read: {error}")),
        }
    }
}

async fn closed(link: &Link) {
    while !link.is_ending() {
        link.wake.notified().await;
    }
}

/// The peer has closed it, or must hear that it is gone.
fn finish(net: &QuorumNet, core: &Core, link: &Link, end: End) {
    net.forget(link.id);
    if let Some(socket) = link.socket() {
        let _ = SockRef::from(socket.as_ref()).shutdown(std::net::Shutdown::Both);
    }
    if let (Err(reason), false) = (end, link.is_closed()) {
        core.peer(PeerInput::Gone {
            link: link.id,
            reason,
        });
    }
}

struct Talk<'a> {
    net: &'a QuorumNet,
    core: &'a Arc<Core>,
    link: &'a Arc<Link>,
    read: OwnedReadHalf,
    peer: String,
    buf: BytesMut,
    /// kept for its capacity
    packets: Vec<QuorumPacket>,
    /// this server is the learner
    learner: bool,
    /// what comes next is a snapshot
    at_snapshot: bool,
}

impl<'a> Talk<'a> {
    fn new(
        net: &'a QuorumNet,
        core: &'a Arc<Core>,
        link: &'a Arc<Link>,
        read: OwnedReadHalf,
        peer: String,
        learner: bool,
    ) -> Self {
        Self {
            net,
            core,
            link,
            read,
            peer,
            buf: BytesMut::new(),
            packets: Vec::new(),
            learner,
            at_snapshot: false,
        }
    }

    async fn run(mut self) -> End {
        loop {
            let write = match self.link.todo() {
                Todo::Close(None) => return Ok(()),
                Todo::Close(Some(why)) => return Err(why),
                Todo::Snapshot(image) => {
                    self.send_snapshot(image).await?;
                    continue;
                }
                Todo::Wait { write } => write,
            };
            if let Some(zxid) = self.link.take_receive() {
                self.receive_snapshot(Zxid(zxid)).await?;
                self.at_snapshot = false;
                self.packets()?;
                continue;
            }
            self.make_room();
            tokio::select! {
                biased;
                read = self.read.read_buf(&mut self.buf), if !self.at_snapshot => match read {
                    Ok(0) => return Err("the other side has closed the connection".to_owned()),
                    Ok(_) => self.packets()?,
                    Err(error) => return Err(format!("cannot read: {error}")),
                },
                () = writable(self.link), if write => self.link.flush_more(),
                () = self.link.wake.notified() => {}
            }
        }
    }

    /// Packets keep the memory that they were read into, and some live long (the last committed
    /// transactions): what is left of it is used up before more is taken.
    fn make_room(&mut self) {
        if self.buf.capacity() - self.buf.len() < LEAST_ROOM {
            self.buf.reserve(READ);
        }
    }

    /// Hands over the packets that are whole. What follows a leader's `Snap` is a snapshot: it is left
    /// where it is until the peer wants it.
    fn packets(&mut self) -> End {
        let packets = &mut self.packets;
        let result = loop {
            match QuorumPacket::decode(&mut self.buf, self.net.settings.max_packet) {
                Ok(Some(packet)) => {
                    self.at_snapshot = self.learner && packet.kind == PacketType::Snap;
                    packets.push(packet);
                    if self.at_snapshot {
                        break Ok(());
                    }
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        if !packets.is_empty() {
            self.core.packets(self.link.id, packets.drain(..));
        }
        // The peer tells of it when it closes the link.
        result.map_err(|error| error.to_string())
    }

    /// The image goes from a thread that walks the tree through a few pieces to the socket.
    async fn send_snapshot(&mut self, image: Image) -> End {
        let zxid = image.0.zxid();
        let (give, mut pieces) = mpsc::channel::<Bytes>(PIECES);
        let walking = tokio::task::spawn_blocking(move || {
            wire::send(&*image.0, PIECE, |piece| {
                give.blocking_send(piece)
                    .map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
            })
        });
        let mut sent = 0;
        while let Some(mut piece) = pieces.recv().await {
            sent += piece.len();
            self.write(&mut piece).await?;
        }
        match walking.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(error.to_string()),
            Err(error) => return Err(error.to_string()),
        }
        tracing::info!(
            "Sent a snapshot of {sent} bytes as of zxid 0x{:x} to {}",
            zxid.0,
            self.peer
        );
        self.core
            .peer(PeerInput::SnapshotSent { link: self.link.id });
        self.link.flush_more();
        Ok(())
    }

    async fn write(&self, piece: &mut Bytes) -> End {
        let Some(socket) = self.link.socket() else {
            return Err("not connected".to_owned());
        };
        while !piece.is_empty() {
            match socket.try_write(piece) {
                Ok(n) => drop(piece.split_to(n)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    tokio::select! {
                        ready = timeout(self.net.settings.stall_timeout, socket.writable()) => {
                            if ready.is_err() {
                                return Err(stalled(self.net.settings.stall_timeout));
                            }
                        }
                        () = closed(self.link) => return Ok(()),
                    }
                }
                Err(error) => return Err(format!("cannot write: {error}")),
            }
        }
        Ok(())
    }

    async fn receive_snapshot(&mut self, zxid: Zxid) -> End {
        let settings = &self.net.settings;
        let mut receiver = Receiver::new(&settings.database, settings.max_packet);
        loop {
            // A million znodes are built here: other tasks of this thread go elsewhere meanwhile.
            let buf = &mut self.buf;
            let whole = later::block(|| receiver.take(buf));
            match whole {
                Ok(true) => break,
                Ok(false) => {}
                Err(error) => {
                    tracing::error!("The snapshot from {} is refused: {error}", self.peer);
                    return Err(error.to_string());
                }
            }
            self.buf.reserve(PIECE);
            let read = tokio::select! {
                read = timeout(settings.stall_timeout, self.read.read_buf(&mut self.buf)) => read,
                () = closed(self.link) => return Ok(()),
            };
            match read {
                Err(_) => return Err(stalled(settings.stall_timeout)),
                Ok(Ok(0)) => {
                    return Err("the other side has closed the connection within a snapshot".into());
                }
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(format!("cannot read: {error}")),
            }
        }
        let (nodes, bytes) = receiver.progress();
        tracing::info!(
            "Got a snapshot of {bytes} bytes with {nodes} znodes as of zxid 0x{:x} from {}",
            zxid.0,
            self.peer
        );
        let database = later::block(|| receiver.finish(zxid, &self.net.settings.database));
        self.core.peer(PeerInput::Snapshot {
            link: self.link.id,
            database,
        });
        Ok(())
    }
}

async fn writable(link: &Link) {
    match link.socket() {
        Some(socket) => drop(socket.writable().await),
        None => std::future::pending().await,
    }
}

fn stalled(limit: Duration) -> String {
    format!(
        "the snapshot stood still for {} ms (initLimit)",
        limit.as_millis()
    )
}
