echo zookeeper pi-node13
ssh pi-node13 '/opt/kafka/bin/kafka-server-stop.sh > /dev/null 2>&1 &'
echo zookeeper pi-node14
ssh pi-node14 '/opt/kafka/bin/kafka-server-stop.sh > /dev/null 2>&1 &'
echo zookeeper pi-node15
ssh pi-node15 '/opt/kafka/bin/kafka-server-stop.sh > /dev/null 2>&1 &'

echo kafka pi-node13
ssh pi-node13 '/opt/zookeeper/bin/zkServer.sh stop > /dev/null 2>&1 &'
echo kafka pi-node14
ssh pi-node14 '/opt/zookeeper/bin/zkServer.sh stop > /dev/null 2>&1 &'
echo kafka pi-node15
ssh pi-node15 '/opt/zookeeper/bin/zkServer.sh stop > /dev/null 2>&1 &'


echo stop yarn
stop-yarn.sh
echo stop hadoop cluster
stop-dfs.sh

echo 'FIN'
