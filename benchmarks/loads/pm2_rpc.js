// Ask PM2's daemon for its processes, by its own RPC: MODULES NAME CLIENTS SECONDS.
const [modules, name, clients, seconds] = process.argv.slice(2);
const rpc = require(modules + '/pm2/modules/pm2-axon-rpc');
const axon = require(modules + '/pm2/modules/pm2-axon');

const latencies = [];
const began = process.hrtime.bigint();
const until = Date.now() + seconds * 1000;
let running = +clients;

function report() {
  latencies.sort((a, b) => a - b);
  const count = latencies.length;
  const took = Number(process.hrtime.bigint() - began) / 1e9;
  const p99 = latencies[Math.min(count - 1, Math.floor(count * 0.99))];
  console.log(JSON.stringify({ count, requests_s: count / took, p50_us: latencies[count >> 1], p99_us: p99 }));
  process.exit(0);
}

for (let i = 0; i < +clients; i++) {
  const socket = axon.socket('req');
  const client = new rpc.Client(socket);
  let first = true;
  const ask = () => {
    const asked = process.hrtime.bigint();
    client.call('getMonitorData', {}, (error, list) => {
      if (error || !list.find((entry) => entry.name === name)) {
        console.error(error || name + ' does not run');
        process.exit(1);
      }
      if (!first) latencies.push(Number(process.hrtime.bigint() - asked) / 1000);
      first = false;
      if (Date.now() < until) ask();
      else if (--running === 0) report();
    });
  };
  socket.connect('unix://' + process.env.PM2_HOME + '/rpc.sock');
  socket.on('connect', ask);
}
