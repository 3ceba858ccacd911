package org.apache.zookeeper.server.quorum;

import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.File;
import java.io.StringReader;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import org.apache.jute.BinaryOutputArchive;
import org.apache.zookeeper.data.Id;
import org.apache.zookeeper.server.quorum.flexible.QuorumHierarchical;
import org.apache.zookeeper.server.quorum.flexible.QuorumMaj;

/** Writes what Apache's servers say to each other into DIR: packets, notifications, first messages,
 * configurations. A real server 1 talks to servers 2 and 3, which are played here. */
public class Record {
    static Path dir;

    public static void main(String[] args) throws Exception {
        dir = Path.of(args[0]);
        Files.createDirectories(dir);
        packets();
        notifications();
        configs();
        boolean multi = args.length > 1;
        election(multi);
        Runtime.getRuntime().halt(0);
    }

    static void write(String name, byte[] bytes) throws Exception {
        Files.write(dir.resolve(name), bytes);
    }

    static byte[] record(QuorumPacket packet) throws Exception {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        BinaryOutputArchive.getArchive(out).writeRecord(packet, "packet");
        return out.toByteArray();
    }

    static byte[] longs(Object... values) throws Exception {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        DataOutputStream out = new DataOutputStream(bytes);
        for (Object value : values) {
            if (value instanceof Long) {
                out.writeLong((Long) value);
            } else if (value instanceof Integer) {
                out.writeInt((Integer) value);
            } else if (value instanceof Boolean) {
                out.writeBoolean((Boolean) value);
            } else {
                out.write((byte[]) value);
            }
        }
        return bytes.toByteArray();
    }

    static byte[] info(long sid) throws Exception {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        BinaryOutputArchive.getArchive(out).writeRecord(new LearnerInfo(sid, 0x10000, 0x100000002L), "LearnerInfo");
        return out.toByteArray();
    }

    /** As Learner, LearnerHandler and Leader make them. */
    static void packets() throws Exception {
        byte[] text = "transaction".getBytes(StandardCharsets.UTF_8);
        List<Id> ids = new ArrayList<>();
        ids.add(new Id("ip", "127.0.0.1"));
        ids.add(new Id("digest", "bob:xyz"));
        QuorumPacket[] all = {
            new QuorumPacket(Leader.FOLLOWERINFO, 5L << 32, info(3), null),
            new QuorumPacket(Leader.OBSERVERINFO, 5L << 32, info(4), null),
            new QuorumPacket(Leader.LEADERINFO, 6L << 32, longs(0x10000), null),
            new QuorumPacket(Leader.ACKEPOCH, 0x500000007L, longs(5), null),
            new QuorumPacket(Leader.ACKEPOCH, 0x500000007L, longs(-1), null),
            new QuorumPacket(Leader.REQUEST, -1, longs(0x1234L, 9, 1, text), ids),
            new QuorumPacket(Leader.REQUEST, -1, longs(0x1234L, 9, -11), new ArrayList<>()),
            new QuorumPacket(Leader.REVALIDATE, -1, longs(0x1234L, 30000), null),
            new QuorumPacket(Leader.REVALIDATE, -1, longs(0x1234L, true), null),
            new QuorumPacket(Leader.PING, 0x600000001L, null, null),
            new QuorumPacket(Leader.PING, 0x600000001L, longs(7L, 4000, 8L, 6000), null),
            new QuorumPacket(Leader.PROPOSAL, 0x600000002L, text, null),
            new QuorumPacket(Leader.ACK, 0x600000002L, null, null),
            new QuorumPacket(Leader.COMMIT, 0x600000002L, null, null),
            new QuorumPacket(Leader.COMMITANDACTIVATE, 0x600000003L, longs(2L), null),
            new QuorumPacket(Leader.INFORMANDACTIVATE, 0x600000003L, longs(2L, text), null),
            new QuorumPacket(Leader.NEWLEADER, 6L << 32, "server.1=a:1:2:participant\nversion=0".getBytes(StandardCharsets.UTF_8), null),
            new QuorumPacket(Leader.UPTODATE, -1, null, null),
            new QuorumPacket(Leader.SYNC, 0, null, null),
        };
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        for (QuorumPacket packet : all) {
            out.write(record(packet));
        }
        write("packets", out.toByteArray());
    }

    static void notifications() throws Exception {
        byte[] config = "server.1=a:1:2:participant\nversion=0".getBytes(StandardCharsets.UTF_8);
        write("notification", FastLeaderElection.buildMsg(2, 3, 0x500000007L, 9, 6, config).array());
        write("notification.40", FastLeaderElection.buildMsg(1, 3, 0x500000007L, 9, 6).array());
    }

    static final String[] CONFIGS = {
        "server.1=127.0.0.1:2888:3888\nserver.2=127.0.0.1:2889:3889:observer;2181\nserver.3=127.0.0.1:2890:3890;127.0.0.1:2182\nversion=10000000a",
        "server.1=[::1]:2888:3888;[::]:2181\nserver.2=[2001:db8::a0]:2888:3888;2181",
        "server.17=127.0.0.1:1:2\nserver.16=127.0.0.1:3:4\nserver.3=127.0.0.1:5:6\nserver.200=127.0.0.1:7:8\nserver.4294967297=127.0.0.1:9:10",
        "server.1=127.0.0.1:1:2\nserver.2=127.0.0.1:3:4\nserver.3=127.0.0.1:5:6\nserver.4=127.0.0.1:7:8:observer\n"
            + "group.1=1:2\ngroup.2=3\nweight.1=3\nweight.3=0\nversion=ff",
        "server.5=127.0.0.1:1:2\nserver.6=127.0.0.1:1:2\nserver.7=127.0.0.1:1:2\nserver.8=127.0.0.1:1:2\nserver.9=127.0.0.1:1:2\n"
            + "server.10=127.0.0.1:1:2\nserver.11=127.0.0.1:1:2\nserver.12=127.0.0.1:1:2\nserver.13=127.0.0.1:1:2\nserver.14=127.0.0.1:1:2\n"
            + "server.15=127.0.0.1:1:2\nserver.16=127.0.0.1:1:2\nserver.33=127.0.0.1:1:2",
    };

    static void configs() throws Exception {
        StringBuilder out = new StringBuilder();
        for (String text : CONFIGS) {
            Properties lines = new Properties();
            lines.load(new StringReader(text));
            Object verifier = text.contains("group") ? new QuorumHierarchical(lines) : new QuorumMaj(lines);
            out.append(text).append("\n----\n").append(verifier).append("\n====\n");
        }
        write("configs.txt", out.toString().getBytes(StandardCharsets.UTF_8));
    }

    static ServerSocket listen() throws Exception {
        return new ServerSocket(0, 50, InetAddress.getByName("127.0.0.1"));
    }

    static byte[] message(DataInputStream in, byte[] head) throws Exception {
        in.readFully(head);
        byte[] body = new byte[ByteBuffer.wrap(head).getInt(head.length - 4)];
        in.readFully(body);
        return longs(head, body);
    }

    static void election(boolean multi) throws Exception {
        ServerSocket two = listen();
        ServerSocket three = listen();
        ServerSocket free = listen();
        int port = free.getLocalPort();
        free.close();
        Path data = Files.createTempDirectory("record");
        Files.write(data.resolve("myid"), "1\n".getBytes());
        String second = multi ? "|localhost:" + (port + 2) + ":" + (port + 3) : "";
        String cfg = "tickTime=2000\ninitLimit=10\nsyncLimit=5\ndataDir=" + data + "\nadmin.enableServer=false\n"
            + "server.1=127.0.0.1:" + (port + 1) + ":" + port + second + ";0\n"
            + "server.2=127.0.0.1:1:" + two.getLocalPort() + ";0\n"
            + "server.3=127.0.0.1:1:" + three.getLocalPort() + ";0\n";
        Path file = data.resolve("zoo.cfg");
        Files.write(file, cfg.getBytes());
        Thread server = new Thread(() -> QuorumPeerMain.main(new String[] {file.toString()}));
        server.setDaemon(true);
        server.start();
        byte[] first;
        try (Socket socket = three.accept()) {
            first = message(new DataInputStream(socket.getInputStream()), new byte[20]);
        }
        write(multi ? "initial.several" : "initial", first);
        if (multi) {
            return;
        }
        try (Socket socket = new Socket("127.0.0.1", port)) {
            DataOutputStream out = new DataOutputStream(socket.getOutputStream());
            byte[] address = ("127.0.0.1:" + three.getLocalPort()).getBytes();
            out.write(longs(-65536L, 3L, address.length, address));
            DataInputStream in = new DataInputStream(socket.getInputStream());
            write("notification.looking", message(in, new byte[4]));
        }
    }
}
