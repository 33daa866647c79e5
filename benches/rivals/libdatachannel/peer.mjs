// A libdatachannel peer driven by JSON lines: benches/rivals/README.md lists the commands and events.
// Needs `npm ci` in this folder. It knows nothing of framewire's messages.
import { createInterface } from "node:readline";
import { PeerConnection, cleanup } from "node-datachannel";

const PROBE_BYTES = 200;
const PROBE_EVERY_MS = 10;

const say = (event, fields) => process.stdout.write(JSON.stringify({ event, ...fields }) + "\n");

const pc = new PeerConnection("peer", { iceServers: [], bindAddress: "127.0.0.1", maxMessageSize: 262144 });
const channels = new Map();
let counting = null;
let echo = false;

pc.onDataChannel(watch);
pc.onStateChange((state) => say("state", { state }));

function watch(channel) {
  const label = channel.getLabel();
  channels.set(label, channel);
  channel.onMessage((message) => received(channel, label, message));
  channel.onClosed(() => say("channel_closed", { channel: label }));
  if (channel.isOpen()) say("open", { channel: label });
  else channel.onOpen(() => say("open", { channel: label }));
}

function received(channel, label, message) {
  const text = typeof message === "string";
  if (counting) {
    if (label === counting.probe) counting.meter.delayed(message);
    else counting.meter.add(message.length);
  } else if (echo) {
    if (text) channel.sendMessage(message);
    else channel.sendMessageBinary(message);
  } else if (text) say("message", { channel: label, text: message });
  else say("message", { channel: label, size: message.length, sum: adler32(message) });
}

function adler32(bytes) {
  let a = 1;
  let b = 0;
  for (const byte of bytes) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  return b * 65536 + a;
}

// Counts one side's transfer and reports a window of it, with its CPU time.
class Meter {
  constructor(event, { skip = 0, seconds = 1 }) {
    Object.assign(this, { event, skip, seconds, bytes: 0, messages: 0, delays: [], started: false });
  }

  add(bytes) {
    this.bytes += bytes;
    this.messages += 1;
    if (this.started) return;
    this.started = true;
    setTimeout(() => this.begin(), this.skip * 1000);
  }

  delayed(message) {
    this.delays.push(Number(process.hrtime.bigint() - message.readBigUInt64LE(0)) / 1e6);
  }

  begin() {
    this.delays = [];
    const first = this.snapshot();
    setTimeout(() => this.report(first), this.seconds * 1000);
  }

  snapshot() {
    const { user, system } = process.cpuUsage();
    return { bytes: this.bytes, messages: this.messages, cpu: (user + system) / 1e6, at: process.hrtime.bigint() };
  }

  report(first) {
    const last = this.snapshot();
    const delays = this.delays.sort((a, b) => a - b);
    const quantile = (q) => (delays.length ? delays[Math.floor((delays.length - 1) * q)] : null);
    say(this.event, {
      bytes: last.bytes - first.bytes,
      messages: last.messages - first.messages,
      seconds: Number(last.at - first.at) / 1e9,
      cpu: last.cpu - first.cpu,
      rss_mb: process.resourceUsage().maxRSS / 1024,
      probes: delays.length,
      p50_ms: quantile(0.5),
      p99_ms: quantile(0.99),
      more: {},
    });
  }
}

function flood({ channel: label, size = 49160, limit = 262144, probe, ...window }) {
  const channel = channels.get(label);
  const meter = new Meter("sent", window);
  const message = Buffer.alloc(size, 7);
  const fill = () => {
    // Small messages never fill the limit within one call; timers and events must get their turn.
    for (let n = 0; n < 512; n += 1) {
      if (channel.bufferedAmount() + size > limit) return;
      channel.sendMessageBinary(message);
      meter.add(size);
    }
    setImmediate(fill);
  };
  channel.setBufferedAmountLowThreshold(limit / 2);
  channel.onBufferedAmountLow(fill);
  fill();
  if (!probe) return;
  setInterval(() => {
    const stamped = Buffer.alloc(PROBE_BYTES, 7);
    stamped.writeBigUInt64LE(process.hrtime.bigint(), 0);
    channels.get(probe).sendMessageBinary(stamped);
  }, PROBE_EVERY_MS);
}

function bulk({ channel: label, size, count }) {
  const channel = channels.get(label);
  let index = 0;
  const fill = () => {
    while (index < count && channel.bufferedAmount() <= 262144) {
      const message = Buffer.alloc(size, index % 256);
      message.writeUInt32LE(index, 0);
      channel.sendMessageBinary(message);
      index += 1;
    }
  };
  channel.setBufferedAmountLowThreshold(131072);
  channel.onBufferedAmountLow(fill);
  fill();
}

// The description once it holds all candidates.
function described(event) {
  const done = () => {
    if (pc.gatheringState() !== "complete") return false;
    say(event, { sdp: pc.localDescription().sdp });
    return true;
  };
  if (!done()) pc.onGatheringStateChange(done);
}

function create(entry) {
  const { label, ordered = true, retransmits, lifetime } = typeof entry === "string" ? { label: entry } : entry;
  const options = { unordered: !ordered };
  if (retransmits !== undefined) options.maxRetransmits = retransmits;
  if (lifetime !== undefined) options.maxPacketLifeTime = lifetime;
  watch(pc.createDataChannel(label, options));
}

const commands = {
  offer(command) {
    command.channels.forEach(create);
    described("offer");
  },
  answer({ sdp }) {
    pc.setRemoteDescription(sdp, "offer");
    described("answer");
  },
  accept: ({ sdp }) => pc.setRemoteDescription(sdp, "answer"),
  open: create,
  send({ channel, text, size }) {
    if (size === undefined) channels.get(channel).sendMessage(text);
    else channels.get(channel).sendMessageBinary(Buffer.from(Array.from({ length: size }, (_, i) => i % 251)));
  },
  bulk,
  flood,
  echo() {
    echo = true;
    say("ready", {});
  },
  count(command) {
    counting = { probe: command.probe, meter: new Meter("received", command) };
    say("ready", {});
  },
  close_channel: ({ channel }) => channels.get(channel).close(),
  close() {
    pc.close();
    setTimeout(() => {
      cleanup();
      process.exit(0);
    }, 100);
  },
};

const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => {
  try {
    const command = JSON.parse(line);
    commands[command.cmd](command);
  } catch (error) {
    say("error", { message: String(error) });
  }
});
lines.on("close", () => commands.close());
