echo zookeeper pi-node13
ssh pi-node13 '/opt/zookeeper/bin/zkServer.sh start > /dev/null 2>&1 &'
echo zookeeper pi-node14
ssh pi-node14 '/opt/zookeeper/bin/zkServer.sh start > /dev/null 2>&1 &'
echo zookeeper pi-node15
ssh pi-node15 '/opt/zookeeper/bin/zkServer.sh start > /dev/null 2>&1 &'

echo kafka pi-node13
ssh pi-node13 '/opt/kafka/bin/kafka-server-start.sh -daemon /opt/kafka/config/server.properties > /dev/null 2>&1 &'
echo kafka pi-node14
ssh pi-node14 '/opt/kafka/bin/kafka-server-start.sh -daemon /opt/kafka/config/server.properties > /dev/null 2>&1 &'
echo kafka pi-node15
ssh pi-node15 '/opt/kafka/bin/kafka-server-start.sh -daemon /opt/kafka/config/server.properties > /dev/null 2>&1 &'


echo start hadoop cluster
start-dfs.sh
echo start yarn
start-yarn.sh

echo 'Thunderbirds Go !'
