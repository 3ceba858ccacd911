// Fills a ZooKeeper server with one of everything that its log and snapshots can hold.
// Arguments: HOST:PORT and the part, 1 or 2 (the server is restarted between them), or 0 for nothing.

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import org.apache.zookeeper.CreateMode;
import org.apache.zookeeper.KeeperException;
import org.apache.zookeeper.Op;
import org.apache.zookeeper.ZooDefs;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.data.ACL;
import org.apache.zookeeper.data.Id;
import org.apache.zookeeper.data.Stat;

public class Fill {
    static final List<ACL> OPEN = ZooDefs.Ids.OPEN_ACL_UNSAFE;

    interface Call { void run() throws Exception; }

    public static void main(String[] args) throws Exception {
        if (args[1].equals("1")) { first(args[0]); } else if (args[1].equals("2")) { second(args[0]); }
    }

    static ZooKeeper connect(String address) throws Exception {
        CountDownLatch up = new CountDownLatch(1);
        ZooKeeper zk = new ZooKeeper(address, 20000, e -> up.countDown());
        up.await();
        return zk;
    }

    static byte[] b(String s) { return s.getBytes(StandardCharsets.UTF_8); }

    static void fails(Call call) throws Exception {
        try { call.run(); } catch (KeeperException e) { return; }
        throw new IllegalStateException("must fail");
    }

    static void first(String address) throws Exception {
        ZooKeeper zk = connect(address);
        zk.create("/plain", b("hello"), OPEN, CreateMode.PERSISTENT);
        zk.create("/plain/null", null, OPEN, CreateMode.PERSISTENT);
        zk.create("/plain/empty", new byte[0], OPEN, CreateMode.PERSISTENT);
        zk.create("/plain/umlaut-\u00e4\u00f6\u00fc", b("gr\u00fc\u00dfe \"quoted\" \\ \n line"), OPEN, CreateMode.PERSISTENT);
        zk.create("/plain/binary", new byte[] {0, 1, 2, (byte) 0xff, (byte) 0x80, 'B'}, OPEN, CreateMode.PERSISTENT);
        zk.create("/plain/large", new byte[3000], OPEN, CreateMode.PERSISTENT);
        for (int i = 0; i < 3; i++) {
            zk.create("/plain/seq-", b("" + i), OPEN, CreateMode.PERSISTENT_SEQUENTIAL);
        }
        Stat stat = new Stat();
        zk.create("/stat", b("create2"), OPEN, CreateMode.PERSISTENT, stat);
        zk.create("/container", null, OPEN, CreateMode.CONTAINER, stat);
        zk.create("/container/child", null, OPEN, CreateMode.PERSISTENT);
        zk.create("/ttl", b("t"), OPEN, CreateMode.PERSISTENT_WITH_TTL, stat, 987654321L);
        zk.create("/ttl-seq-", b("t"), OPEN, CreateMode.PERSISTENT_SEQUENTIAL_WITH_TTL, stat, 600000L);

        zk.addAuthInfo("digest", b("bob:secret"));
        zk.create("/private", b("p"), ZooDefs.Ids.CREATOR_ALL_ACL, CreateMode.PERSISTENT);
        zk.create("/readable", b("r"), ZooDefs.Ids.READ_ACL_UNSAFE, CreateMode.PERSISTENT);
        zk.create("/by-ip", b("i"), Arrays.asList(
            new ACL(ZooDefs.Perms.ALL, new Id("ip", "127.0.0.1")),
            new ACL(ZooDefs.Perms.READ, ZooDefs.Ids.ANYONE_ID_UNSAFE)), CreateMode.PERSISTENT);
        zk.setACL("/stat", Arrays.asList(
            new ACL(ZooDefs.Perms.READ | ZooDefs.Perms.ADMIN, ZooDefs.Ids.ANYONE_ID_UNSAFE)), 0);

        zk.create("/quota", null, OPEN, CreateMode.PERSISTENT);
        zk.create("/zookeeper/quota/quota", null, OPEN, CreateMode.PERSISTENT);
        zk.create("/zookeeper/quota/quota/zookeeper_limits", b("count=5,bytes=-1"), OPEN, CreateMode.PERSISTENT);
        zk.create("/zookeeper/quota/quota/zookeeper_stats", b("count=1,bytes=0"), OPEN, CreateMode.PERSISTENT);
        zk.create("/quota/child", b("12345"), OPEN, CreateMode.PERSISTENT);

        zk.setData("/plain", b("changed"), -1);
        zk.setData("/plain", b("again"), 1);
        zk.setData("/plain", null, 2);
        zk.delete("/plain/empty", 0);

        fails(() -> zk.create("/plain", null, OPEN, CreateMode.PERSISTENT));
        fails(() -> zk.delete("/nowhere", -1));
        fails(() -> zk.setData("/plain", b("x"), 77));
        fails(() -> zk.delete("/plain", -1));

        zk.multi(Arrays.asList(
            Op.check("/plain", -1),
            Op.create("/multi", b("m"), OPEN, CreateMode.PERSISTENT),
            Op.create("/multi/child", null, OPEN, CreateMode.EPHEMERAL),
            Op.setData("/multi", b("mm"), -1),
            Op.create("/multi/gone", null, OPEN, CreateMode.PERSISTENT_SEQUENTIAL),
            Op.delete("/plain/binary", -1)));
        fails(() -> zk.multi(Arrays.asList(
            Op.create("/multi/never", null, OPEN, CreateMode.PERSISTENT),
            Op.setData("/nowhere", null, -1),
            Op.delete("/multi", -1))));

        ZooKeeper other = connect(address);
        other.create("/eph-b", b("b"), OPEN, CreateMode.EPHEMERAL);
        other.create("/eph-a", b("a"), OPEN, CreateMode.EPHEMERAL);
        other.create("/plain/eph-", b("s"), OPEN, CreateMode.EPHEMERAL_SEQUENTIAL);
        other.close();
        zk.create("/eph-stays", b("e"), OPEN, CreateMode.EPHEMERAL);
        for (int i = 0; i < 20; i++) {
            zk.create("/many-" + i, b("v" + i), OPEN, CreateMode.PERSISTENT);
        }
        // not closed: the session is still there when the server stops
        Runtime.getRuntime().halt(0);
    }

    static void second(String address) throws Exception {
        ZooKeeper zk = connect(address);
        for (int i = 0; i < 20; i += 2) {
            zk.delete("/many-" + i, -1);
        }
        zk.create("/plain/seq-", b("after"), OPEN, CreateMode.PERSISTENT_SEQUENTIAL);
        zk.setACL("/by-ip", OPEN, -1);
        zk.multi(Arrays.asList(Op.delete("/container/child", -1), Op.setData("/multi", b("2"), -1)));
        zk.create("/eph-second", b("e"), OPEN, CreateMode.EPHEMERAL);
        zk.create("/last", b("z"), OPEN, CreateMode.PERSISTENT);
        Runtime.getRuntime().halt(0);
    }
}
