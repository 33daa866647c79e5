// Runs the commands of channel_peer.mjs; `window.say` takes what happens. Events leave one after the other, in their order.
// Not here: what is expected of them.

let saying = Promise.resolve();
const say = (event, fields) => (saying = saying.then(() => window.say({ event, ...fields })));

const pc = new RTCPeerConnection();
const channels = new Map();
let echo = false;

pc.onconnectionstatechange = () => say("state", { state: pc.connectionState });
pc.ondatachannel = ({ channel }) => watch(channel);

function watch(channel) {
  const label = channel.label;
  channels.set(label, channel);
  channel.binaryType = "arraybuffer";
  channel.onmessage = ({ data }) => received(channel, data);
  channel.onclose = () => say("channel_closed", { channel: label });
  if (channel.readyState === "open") say("open", { channel: label });
  else channel.onopen = () => say("open", { channel: label });
}

function received(channel, data) {
  if (echo) channel.send(data);
  else if (typeof data === "string") say("message", { channel: channel.label, text: data });
  else say("message", { channel: channel.label, size: data.byteLength, sum: adler32(new Uint8Array(data)) });
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

function create(entry) {
  const { label, ordered = true, retransmits, lifetime } = typeof entry === "string" ? { label: entry } : entry;
  const options = { ordered };
  if (retransmits !== undefined) options.maxRetransmits = retransmits;
  if (lifetime !== undefined) options.maxPacketLifeTime = lifetime;
  watch(pc.createDataChannel(label, options));
}

async function described(event, description) {
  await pc.setLocalDescription(description);
  if (pc.iceGatheringState !== "complete") {
    await new Promise((resolve) => {
      pc.onicegatheringstatechange = () => pc.iceGatheringState === "complete" && resolve();
    });
  }
  say(event, { sdp: pc.localDescription.sdp });
}

function bulk({ channel: label, size, count }) {
  const channel = channels.get(label);
  let index = 0;
  const fill = () => {
    for (; index < count && channel.bufferedAmount <= 262144; index += 1) {
      const message = new Uint8Array(size).fill(index % 256);
      new DataView(message.buffer).setUint32(0, index, true);
      channel.send(message);
    }
  };
  channel.bufferedAmountLowThreshold = 131072;
  channel.onbufferedamountlow = fill;
  fill();
}

const commands = {
  async offer({ channels: entries }) {
    entries.forEach(create);
    await described("offer", await pc.createOffer());
  },
  async answer({ sdp }) {
    await pc.setRemoteDescription({ type: "offer", sdp });
    await described("answer", await pc.createAnswer());
  },
  accept: ({ sdp }) => pc.setRemoteDescription({ type: "answer", sdp }),
  open: create,
  send({ channel, text, size }) {
    channels.get(channel).send(size === undefined ? text : Uint8Array.from({ length: size }, (_, i) => i % 251));
  },
  bulk,
  echo() {
    echo = true;
    say("ready", {});
  },
  close_channel: ({ channel }) => channels.get(channel).close(),
  close: () => pc.close(),
};

window.run = async (command) => {
  try {
    await commands[command.cmd](command);
  } catch (error) {
    say("error", { message: String(error) });
  }
};
