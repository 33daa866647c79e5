// The viewer: shows what a framewire worker sees. One file, no build step, nothing from elsewhere.
// Top down: faults, session, upload, results, picture, recording, graphs, page. docs/protocol.md has every byte.

const $ = (id) => document.getElementById(id);
const now = () => performance.now();
const finite = Number.isFinite;
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** An element with properties and children; text always as text, never as markup. */
function make(tag, properties, ...children) {
	const element = Object.assign(document.createElement(tag), properties);
	element.append(...children);
	return element;
}

// Payload of an upload message.
const CHUNK = 48 * 1024;
// Bytes that may wait in the upload channel.
const UNSENT = 256 * 1024;
// Bytes of the file read at once.
const READ_AHEAD = 40 * CHUNK;
// Incomplete results.
const HELD_BYTES = 64 << 20;
// One unpacked result.
const BODY_BYTES = 256 << 20;
// Results that wait for their frame.
const RESULTS = 150;
// Annotated video kept for download.
const VIDEO_BYTES = 1 << 30;
// Data kept for download.
const LINES_BYTES = 256 << 20;
const WAIT = { gather: 3e3, answer: 90e3, step: 15e3, upload: 60e3, first: 45e3, heal: 15e3 };
const FEATURES = ["ledger", "raw_image", "upload", "freshness", "ice_restart"];
const STEPS = {
	source: "Source", worker: "Worker", session: "Offer and answer", ice: "Network path (ICE)", dtls: "Encryption (DTLS)",
	channel: "Data channel", upload: "Upload", first: "Frames",
};

// --- Faults

const LOG = "See the worker's log.";

/** By cause: the step, the problem in one sentence, what to try. `$` is a detail of the case. */
const FAULTS = {
	insecure_context: ["source", "Browsers give cameras to secure pages only.", "Open this one as http://localhost (an SSH tunnel) or over HTTPS."],
	camera_denied: ["source", "The browser may not use the camera.", "Permit it beside the address and in the system's settings."],
	camera_none: ["source", "There is no such camera.", "Plug one in, or choose another source."],
	camera_busy: ["source", "The camera cannot be opened: $", "Close what uses it (calls, recorders, other tabs)."],
	camera_lost: ["source", "The camera stopped.", "Plug it in again."],
	file_unreadable: ["source", "The file cannot be read.", "It was moved, changed, or its drive is gone. Choose it again."],
	source_refused: ["source", "The worker cannot read the camera URL: $", "Check address, user name and password."],
	source_lost: ["source", "The camera URL broke off: $", "Check that the worker's machine reaches it."],
	worker_gone: ["worker", "The worker does not answer.", "Check that it runs and that this machine is online."],
	worker_left: ["worker", "The worker closed the connection. $", LOG],
	worker_busy: ["worker", "$", "Stop another one, or raise its --max-sessions."],
	key_rejected: ["worker", "The worker does not accept this API key.", "It must be one of the worker's --api-key-file."],
	route_missing: ["session", "This worker takes no WebRTC sessions.", "It runs with WEBRTC_WORKER_ENABLED=false."],
	not_found: ["session", "$", "Choose another model or workflow."],
	bad_workflow: ["session", "The workflow is refused: $", "Correct the definition."],
	worker_refused: ["session", "The worker refuses the request: $", "Change what it names; see also More."],
	worker_error: ["session", "The worker failed: $", LOG],
	worker_stalled: ["session", "The worker did not answer in time.", LOG],
	bad_answer: ["session", "The answer makes no sense: $", "Reload the page."],
	session_gone: ["session", "The session has ended.", LOG],
	no_candidates: ["ice", "$ names no network address for media.", "Permit WebRTC in the browser's settings and extensions."],
	udp_blocked: ["ice", "No address of the worker answers this browser over UDP.", "Open the worker's UDP port (--media-port) in the firewall between.", "Behind NAT or in a container, start it with --public-ip.", "Name a TURN server under More."],
	connection_lost: ["ice", "The connection broke for good. $", "Check this machine's network."],
	dtls_blocked: ["dtls", "There is a path, but the encryption handshake gets no answer.", "A firewall inspects packets: name a TURN server over TLS under More."],
	data_channel_blocked: ["channel", "The connection is up, but its data channel does not open.", "Large packets may be lost (VPN, tunnel): lower the MTU."],
	upload_stalled: ["upload", "The upload makes no progress.", "Start goes on where it stopped."],
	upload_refused: ["upload", "The worker does not take the file: $", "Choose a smaller one, or raise --max-upload-bytes."],
	file_undecodable: ["first", "The worker cannot decode this file: $", "Convert it to H.264 in MP4."],
	stalled: ["first", "The connection is up, but no frame comes.", LOG],
	unreadable: ["first", "The results cannot be shown: $", "Run another workflow, or reload the page."],
	no_video: ["first", "$", LOG, "Check that the workflow has a picture among its outputs."],
	page_error: ["first", "The page has a fault: $", "Reload it."],
};

class Fault extends Error {
	constructor(cause, detail = "", facts = []) {
		const [step, problem, ...advice] = FAULTS[cause];
		super(problem.replace("$", () => detail).trim());
		Object.assign(this, { cause, step, advice, facts });
	}
}

/** `promise`, unless it takes longer than `ms`, or `signal` is aborted. */
function within(ms, promise, cause, signal) {
	return new Promise((resolve, reject) => {
		const timer = setTimeout(() => reject(new Fault(cause)), ms);
		const aborted = () => reject(signal.reason);
		signal.addEventListener("abort", aborted);
		promise.then(resolve, reject).finally(() => {
			clearTimeout(timer);
			signal.removeEventListener("abort", aborted);
		});
	});
}

/** Until `ready`, asked now and at each `event` of `target`. */
function until(target, event, ready) {
	return new Promise((resolve) => {
		const check = () => {
			if (!ready()) return;
			target.removeEventListener(event, check);
			resolve();
		};
		target.addEventListener(event, check);
		check();
	});
}

// --- Session

/**
 * One session with the worker, from the offer to the end. `job` says what to send and run; `on` is told of step, track, result,
 * progress, notice and end.
 */
class Session {
	constructor(job, on) {
		Object.assign(this, { job, on, drops: {}, received: 0, shown: 0, failed: 0, waiting: 0, decoding: Promise.resolve() });
		this.abort = new AbortController();
		this.signal = this.abort.signal;
		this.reassembler = new Reassembler((reason, id) => {
			this.drop(reason);
			this.acknowledge(id);
		});
		// Who waits for what the worker says about the upload.
		this.told = {};
		this.first = new Promise((resolve) => (this.sawFrame = resolve));
	}

	async run() {
		try {
			await this.connect();
			if (this.job.file) await this.upload();
			this.on.step("first");
			await within(WAIT.first, this.first, "stalled", this.signal);
		} catch (error) {
			this.finish(error);
		}
	}

	async connect() {
		const { job } = this;
		const pc = (this.pc = new RTCPeerConnection({ iceServers: job.iceServers, bundlePolicy: "max-bundle" }));
		this.inference = this.listen(pc.createDataChannel("inference"));
		// The last words may still be on their way through the page.
		this.inference.onclose = () => setTimeout(() => this.finish(new Fault("worker_left")), 300);
		if (job.file) this.uploads = pc.createDataChannel("video_upload");
		else this.addVideo();
		pc.ontrack = ({ track, receiver }) => {
			// Shown as soon as decoded: the boxes are there by then.
			receiver.jitterBufferTarget = 0;
			this.on.track(track);
		};
		this.on.step("session");
		await pc.setLocalDescription();
		await this.gathered();
		const answer = await post("initialise_webrtc_worker", this.request(), job.key, WAIT.answer, this.signal);
		await pc.setRemoteDescription({ type: "answer", sdp: answer.sdp }).catch((error) => {
			throw new Fault("bad_answer", error.message);
		});
		// All of FEATURES: the page came from this worker.
		this.agreed = answer.framewire;
		await this.established();
		pc.oniceconnectionstatechange = () => this.recover();
		if (job.realtime) this.listen(pc.createDataChannel("framewire-results", { ordered: false, maxPacketLifeTime: 200 }));
	}

	addVideo() {
		const { stream } = this.job;
		const [track] = stream?.getVideoTracks() ?? [];
		if (!track) return this.pc.addTransceiver("video", { direction: "recvonly" });
		track.contentHint = "motion";
		track.onended = () => this.finish(new Fault("camera_lost"));
		this.pc.addTransceiver(track, { streams: [stream] });
	}

	request() {
		const { flow, realtime, streamOutput, dataOutput, iceServers, url } = this.job;
		const body = {
			workflow_configuration: { type: "WorkflowConfiguration", ...flow },
			webrtc_offer: this.pc.localDescription,
			webrtc_realtime_processing: realtime,
			stream_output: streamOutput,
			data_output: dataOutput,
			framewire: { v: 1, features: FEATURES },
		};
		if (iceServers.length) body.webrtc_config = { iceServers };
		if (url) body[/^rtsp/i.test(url) ? "rtsp_url" : "mjpeg_url"] = url;
		return body;
	}

	/** An ICE server that does not answer must not hold up addresses that are known. */
	async gathered() {
		const { pc } = this;
		const some = () => pc.localDescription.sdp.includes("a=candidate:");
		await Promise.race([until(pc, "icegatheringstatechange", () => pc.iceGatheringState === "complete" && some()), wait(WAIT.gather)]);
		if (!some()) throw new Fault("no_candidates", "This browser");
	}

	/** ICE, DTLS, data channel: each waited for by itself, so that the step that hangs is known. */
	async established() {
		const { pc, inference, signal } = this;
		const reach = async (step, target, event, state, good, cause) => {
			this.on.step(step);
			const settled = () => [...good, "failed", "closed"].includes(target[state]);
			await within(WAIT.step, until(target, event, settled), cause, signal);
			if (!good.includes(target[state])) throw new Fault(cause);
		};
		const ice = reach("ice", pc, "iceconnectionstatechange", "iceConnectionState", ["connected", "completed"], "udp_blocked");
		await ice.catch(async (error) => {
			throw error.cause === "udp_blocked" ? await pathFault(pc) : error;
		});
		await reach("dtls", pc, "connectionstatechange", "connectionState", ["connected"], "dtls_blocked");
		await reach("channel", inference, "open", "readyState", ["open"], "data_channel_blocked");
	}

	/** A path that broke: the session goes on over a new one if there is one; nobody has to press anything. */
	async recover() {
		const whole = () => ["connected", "completed"].includes(this.pc.iceConnectionState);
		if (this.recovering || this.ended || whole()) return;
		this.recovering = true;
		this.on.notice("The connection broke. Looking for another path…");
		const since = now();
		let last;
		// "Disconnected" often heals by itself.
		for (await wait(700); !this.ended && !whole(); await wait(700)) {
			if (now() - since > WAIT.heal || last?.cause === "session_gone") {
				this.finish(last?.cause === "worker_gone" ? last : new Fault("connection_lost", last?.message));
				break;
			}
			last = await this.restart().then(() => null, (error) => error);
		}
		this.recovering = false;
		if (!this.ended) this.on.notice("Running.");
	}

	async restart() {
		const { pc, job, signal, agreed: { session, secret } } = this;
		await pc.setLocalDescription(await pc.createOffer({ iceRestart: true }));
		try {
			await this.gathered();
			const answer = await post(`webrtc/session/${session}/ice`, { secret, webrtc_offer: pc.localDescription }, job.key, 5000, signal);
			await pc.setRemoteDescription({ type: "answer", sdp: answer.sdp });
		} catch (error) {
			await pc.setLocalDescription({ type: "rollback" });
			throw error;
		}
		await within(4000, until(pc, "iceconnectionstatechange", () => ["connected", "completed"].includes(pc.iceConnectionState)), "udp_blocked", signal);
	}

	drop(reason) {
		this.drops[reason] = (this.drops[reason] ?? 0) + 1;
	}

	listen(channel) {
		channel.binaryType = "arraybuffer";
		channel.onmessage = ({ data }) => {
			const text = typeof data === "string";
			const bytes = text ? new TextEncoder().encode(data) : this.reassembler.add(data);
			if (bytes) this.body(bytes, now(), text ? 0 : frameOf(data));
		};
		return channel;
	}

	/** In order, one after the other: some bodies have to be unpacked first, and in batch each frame is drawn and encoded. */
	body(bytes, arrived, id) {
		if (this.waiting >= RESULTS) return this.drop("page too slow");
		this.waiting += 1;
		this.decoding = this.decoding.then(async () => {
			this.waiting -= 1;
			if (this.ended) return;
			const { json, images } = await readBody(bytes);
			const said = json.framewire?.upload;
			if (said) return ["have", "verified"].forEach((key) => key in said && this.told[key]?.(said[key]));
			if (json.processing_complete) return this.finish(completion(this, json));
			this.received += 1;
			await this.on.result(json, images, arrived);
			this.shown += 1;
			this.failed = 0;
			this.acknowledge(id || json.video_metadata.frame_id);
		}).catch((error) => {
			this.drop("unreadable");
			this.failed += 1;
			this.unreadable = new Fault("unreadable", error.message);
			if (this.failed > 4) this.finish(this.unreadable);
			this.acknowledge(id);
		});
	}

	/** Also a frame that cannot be shown: the worker waits for it. */
	acknowledge(id) {
		if (id && !this.job.realtime) this.say({ ack: id });
	}

	say(message) {
		if (this.inference.readyState === "open") this.inference.send(JSON.stringify(message));
	}

	/** docs/protocol.md, section 12. */
	async upload() {
		this.on.step("upload");
		const { job: { file, uploadId: id }, uploads, signal } = this;
		await within(WAIT.step, until(uploads, "open", () => uploads.readyState === "open"), "data_channel_blocked", signal);
		const answer = (message, key) => {
			const told = new Promise((resolve) => (this.told[key] = resolve));
			this.say({ framewire: message });
			return within(WAIT.upload, told, "upload_stalled", signal);
		};
		const have = await answer({ upload: { id, size: file.size, chunk: CHUNK } }, "have");
		const sha256 = await sendFile(file, uploads, have, this.on.progress, signal);
		await answer({ upload_end: { id, sha256 } }, "verified");
	}

	/** Ends once; no fault is a regular end. Closing the connection is what tells the worker. */
	finish(fault) {
		if (this.ended) return;
		this.ended = true;
		if (fault && !(fault instanceof Fault)) {
			console.error(fault);
			fault = new Fault("page_error", fault.message);
		}
		this.abort.abort(fault);
		if (this.inference) this.inference.onclose = null;
		for (const track of this.job.stream?.getTracks() ?? []) track.stop();
		this.pc?.close();
		this.on.end(fault);
	}
}

/** The completion message: null for a regular end, else the fault of the step it belongs to. */
function completion({ job, received, shown, unreadable }, { errors, termination_reason: reason }) {
	const said = Array.isArray(errors) ? errors.map(String) : [];
	const fault = (cause) => new Fault(cause, said[0], said);
	if (reason) return new Fault("worker_left", reason === "timeout_reached" ? "Its time limit for a session is over." : "It is shutting down.");
	if (!said.length) return shown ? null : unreadable;
	if (job.url) return fault("source_lost");
	if (!job.file) return fault("no_video");
	return fault(received || /decod/.test(said[0]) ? "file_undecodable" : "upload_refused");
}

/** Both sides' addresses and what became of each pair. */
async function pathFault(pc) {
	const stats = await pc.getStats();
	const all = (type) => [...stats.values()].filter((entry) => entry.type === type);
	const name = (one) => `${one?.candidateType} ${one?.protocol} ${one?.address ?? "(hidden)"}:${one?.port}`;
	const remotes = all("remote-candidate");
	if (!remotes.length) return new Fault("no_candidates", "The worker");
	return new Fault("udp_blocked", "", [
		...all("local-candidate").map((one) => `this browser: ${name(one)}`),
		...remotes.map((one) => `worker: ${name(one)}`),
		...all("candidate-pair").map((pair) => `${name(stats.get(pair.localCandidateId))} → ${name(stats.get(pair.remoteCandidateId))}: ${pair.requestsSent} checks, ${pair.responsesReceived} answers`),
	]);
}

/** A JSON answer of the worker, or its refusal as a Fault. The key travels in the header alone. */
async function post(route, body, key, ms, signal) {
	const headers = { "Content-Type": "application/json" };
	if (key) headers.Authorization = `Bearer ${key}`;
	const timeout = AbortSignal.timeout(ms);
	const request = { method: "POST", headers, body: JSON.stringify(body), signal: AbortSignal.any([signal, timeout]) };
	try {
		const response = await fetch(route, request);
		// A proxy's page: its status says enough.
		const answer = await response.json().catch(() => null);
		if (!response.ok) throw refusal(response.status, answer ?? {});
		if (typeof answer?.sdp !== "string") throw new Fault("bad_answer", "no SDP");
		return answer;
	} catch (error) {
		if (error instanceof Fault) throw error;
		throw signal.aborted ? signal.reason : new Fault(timeout.aborted ? "worker_stalled" : "worker_gone");
	}
}

/** What a refusal means to the person at the page. */
function refusal(status, { message, detail, error_type: kind, blocks_errors: blocks }) {
	const faults = Array.isArray(detail) ? detail.map(({ loc, msg }) => `${[].concat(loc ?? []).join(".")}: ${msg}`) : [];
	const said = message ?? faults[0] ?? `HTTP ${status}`;
	const byStatus = { 401: "key_rejected", 404: message ? "not_found" : "route_missing", 429: "worker_busy", 502: "worker_gone", 503: "worker_busy", 504: "worker_gone" };
	const byKind = { SessionNotFound: "session_gone", WebRTCSourceError: "source_refused", WebRTCConfigurationError: "worker_refused", WebRTCOfferError: "worker_refused" };
	const cause = byKind[kind] ?? byStatus[status] ?? (kind ? "bad_workflow" : status < 500 ? "worker_refused" : "worker_error");
	return new Fault(cause, said, [...faults, ...(blocks ?? []).map((block) => [block.block_id, block.property_name, block.property_details ?? block.block_details].filter(Boolean).join(": "))]);
}

// --- Upload

/** Sends the chunks the worker does not have and hashes all; reads the next part of the file while one is sent. */
async function sendFile(file, channel, have, progress, signal) {
	const total = Math.ceil(file.size / CHUNK);
	if (!(have?.length <= 1024)) throw new Fault("bad_answer", "the state of the upload");
	const hash = new Sha256();
	const read = (from) => file.slice(from, from + READ_AHEAD).arrayBuffer().catch(() => null);
	channel.bufferedAmountLowThreshold = UNSENT / 2;
	let next = read(0);
	for (let from = 0; from < file.size; from += READ_AHEAD) {
		const buffer = await next;
		if (buffer?.byteLength !== Math.min(READ_AHEAD, file.size - from)) throw new Fault("file_unreadable");
		next = read(from + READ_AHEAD);
		const bytes = new Uint8Array(buffer);
		hash.add(bytes);
		for (let at = 0; at < bytes.length; at += CHUNK) {
			const index = (from + at) / CHUNK;
			const payload = bytes.subarray(at, at + CHUNK);
			if (!have.some(([first, end]) => index >= first && index < end)) await sendChunk(channel, index, total, payload, signal);
			progress(from + at + payload.length, file.size);
		}
	}
	return hash.hex();
}

async function sendChunk(channel, index, total, payload, signal) {
	if (channel.bufferedAmount > UNSENT) await within(WAIT.upload, until(channel, "bufferedamountlow", () => channel.bufferedAmount <= UNSENT), "upload_stalled", signal);
	if (signal.aborted || channel.readyState !== "open") throw signal.reason ?? new Fault("worker_left");
	const message = new Uint8Array(8 + payload.length);
	// Every browser's machine is little-endian.
	new Uint32Array(message.buffer, 0, 2).set([index, total]);
	message.set(payload, 8);
	channel.send(message);
}

/** SHA-256 piece by piece (FIPS 180-4): the browser's own wants the whole file in memory. */
class Sha256 {
	constructor() {
		Object.assign(this, { state: Int32Array.from(Sha256.start), words: new Int32Array(64), rest: new Uint8Array(0), length: 0 });
	}

	add(bytes) {
		this.length += bytes.length;
		const all = join([this.rest, bytes]);
		const view = new DataView(all.buffer);
		let at = 0;
		for (; at + 64 <= all.length; at += 64) this.block(view, at);
		this.rest = all.slice(at);
	}

	block(view, at) {
		const { words: w, state } = this;
		const k = Sha256.round;
		const turn = (x, n) => (x >>> n) | (x << (32 - n));
		for (let i = 0; i < 16; i += 1) w[i] = view.getInt32(at + 4 * i);
		for (let i = 16; i < 64; i += 1) {
			const [x, y] = [w[i - 15], w[i - 2]];
			w[i] = w[i - 16] + (turn(x, 7) ^ turn(x, 18) ^ (x >>> 3)) + w[i - 7] + (turn(y, 17) ^ turn(y, 19) ^ (y >>> 10));
		}
		let [a, b, c, d, e, f, g, h] = state;
		for (let i = 0; i < 64; i += 1) {
			const t = h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + k[i] + w[i];
			const s = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
			h = g; g = f; f = e; e = (d + t) | 0; d = c; c = b; b = a; a = (t + s) | 0;
		}
		[a, b, c, d, e, f, g, h].forEach((value, i) => (state[i] += value));
	}

	hex() {
		const padding = new Uint8Array((this.rest.length < 56 ? 64 : 128) - this.rest.length);
		padding[0] = 0x80;
		new DataView(padding.buffer).setBigUint64(padding.length - 8, BigInt(this.length * 8));
		this.add(padding);
		return Array.from(this.state, (word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
	}

	static {
		// The constants are fractions of roots of the first primes.
		const primes = [];
		for (let n = 2; primes.length < 64; n += 1) if (primes.every((p) => n % p)) primes.push(n);
		const fraction = (x) => ((x - Math.floor(x)) * 2 ** 32) | 0;
		this.start = primes.slice(0, 8).map((p) => fraction(Math.sqrt(p)));
		this.round = Int32Array.from(primes, (p) => fraction(Math.cbrt(p)));
	}
}

// --- Results

/** The frame that a chunk belongs to. */
const frameOf = (buffer) => new DataView(buffer).getUint32(0, true);

/** Joins chunks: docs/protocol.md, section 4. Nothing is reserved for what is merely announced. */
class Reassembler {
	constructor(drop) {
		Object.assign(this, { drop, frames: new Map(), bytes: 0 });
	}

	/** The body that this chunk completes, if it does. */
	add(buffer) {
		const payload = new Uint8Array(buffer, Math.min(12, buffer.byteLength));
		const [id, index, total] = buffer.byteLength < 12 ? [] : new Uint32Array(buffer.slice(0, 12));
		if (!(total > 0 && total <= 4096 && index < total)) return this.drop("bad chunk", id);
		const frame = this.frames.get(id) ?? { total, parts: [], count: 0, bytes: 0 };
		this.frames.set(id, frame);
		if (frame.total !== total) return this.forget(id, "bad chunk");
		if (frame.parts[index]) return;
		frame.parts[index] = payload;
		frame.count += 1;
		frame.bytes += payload.length;
		this.bytes += payload.length;
		if (frame.count === total) {
			this.forget(id);
			return total === 1 ? payload : join(frame.parts);
		}
		while (this.frames.size > 8 || this.bytes > HELD_BYTES) this.forget(this.frames.keys().next().value, "incomplete");
	}

	forget(id, reason) {
		this.bytes -= this.frames.get(id).bytes;
		this.frames.delete(id);
		if (reason) this.drop(reason, id);
	}
}

function join(parts) {
	const whole = new Uint8Array(size(parts));
	let at = 0;
	for (const part of parts) {
		whole.set(part, at);
		at += part.length;
	}
	return whole;
}

/** A body as JSON, with the bytes behind it that its pictures are in: docs/protocol.md, section 14. */
async function readBody(bytes) {
	if (bytes[0] === 0x1f && bytes[1] === 0x8b) bytes = await unpack(bytes);
	let images = null;
	if (bytes[0] === 0x46 && bytes[1] === 0x57) {
		const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(4, true);
		if (bytes[2] !== 1 || bytes[3] || 8 + length > bytes.length) throw new Error("raw body");
		images = bytes.subarray(8 + length);
		bytes = bytes.subarray(8, 8 + length);
	}
	const json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
	if (!isObject(json)) throw new Error("no object");
	return { json, images };
}

async function unpack(bytes) {
	const parts = [];
	let length = 0;
	const reader = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip")).getReader();
	for (;;) {
		// Safari's streams are not for `for await`.
		const { done, value } = await reader.read();
		if (done) return join(parts);
		length += value.length;
		if (length > BODY_BYTES) throw new Error("too large");
		parts.push(value);
	}
}

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);
const isImage = (value) => value?.type === "raw";

/** The JPEG of an image value. */
function jpegOf({ offset, length }, images) {
	if (!(images && offset >= 0 && length > 0 && offset + length <= images.length)) throw new Error("raw image");
	return new Blob([images.subarray(offset, offset + length)]);
}

/** Outputs without their pictures, for reading and for the data file. */
function withoutImages(value) {
	if (isImage(value)) return undefined;
	if (Array.isArray(value)) return value.map((item) => withoutImages(item) ?? null);
	if (!isObject(value)) return value;
	return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withoutImages(item)]).filter(([, item]) => item !== undefined));
}

/** Every detection of a result once, with the size of the picture its numbers are in. */
function detectionsOf(data) {
	const found = new Map();
	const visit = (value, depth) => {
		if (depth > 6 || value === null || typeof value !== "object") return;
		const list = value.predictions;
		if (!Array.isArray(list)) return Object.values(value).forEach((item) => visit(item, depth + 1));
		for (const one of list) {
			const origin = one?.root_parent_origin ?? one?.parent_origin;
			if (finite(one?.x + one?.y + one?.width + one?.height)) found.set(one.detection_id ?? found.size, { ...one, within: origin ?? value.image ?? {}, dx: origin?.offset_x ?? 0, dy: origin?.offset_y ?? 0 });
		}
	};
	visit(data, 0);
	return [...found.values()];
}

// --- Picture

const percent = (value) => (finite(value) ? `${Math.round(value * 100)} %` : "");

/** Draws a frame and its boxes into one canvas, so that a box is never seen on another frame than its own. */
function draw(source, width, height, detections) {
	const canvas = $("picture");
	const context = (page.context ??= canvas.getContext("2d", { alpha: false }));
	if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
	context.drawImage(source, 0, 0, width, height);
	if (!$("boxes").checked) return;
	// Lines and letters keep their size on the screen, whatever the picture's.
	const scale = Math.max(1, Math.min(4, width / (page.shownWidth || width)));
	Object.assign(context, { lineWidth: 2 * scale, lineJoin: "round", font: `600 ${12 * scale}px system-ui, sans-serif`, textBaseline: "middle" });
	for (const one of detections) drawBox(context, one, width, height, scale);
}

function drawBox(context, one, width, height, scale) {
	const [sx, sy] = [width / (one.within.width || width), height / (one.within.height || height)];
	const [w, h] = [one.width * sx, one.height * sy];
	const [x, y] = [(one.x + one.dx) * sx - w / 2, (one.y + one.dy) * sy - h / 2];
	// Neighbours far apart, all light.
	context.strokeStyle = context.fillStyle = `hsl(${(one.class_id ?? 0) * 137 + 80} 90% 65%)`;
	context.strokeRect(x, y, w, h);
	const text = `${one.class ?? one.class_id ?? ""} ${percent(one.confidence)}`;
	const [wide, tall] = [context.measureText(text).width + 10 * scale, 18 * scale];
	const left = Math.max(0, Math.min(x - scale, width - wide));
	const top = Math.max(0, y >= tall ? y - tall : y);
	context.fillRect(left, top, wide, tall);
	context.fillStyle = "#000";
	context.fillText(text, left + 5 * scale, top + tall / 2);
}

/**
 * Each decoded frame is drawn with the result that names its RTP timestamp. A result leaves the worker before its picture, so it is
 * nearly always there; one that comes later is drawn if its frame is still the one shown.
 */
class LiveView {
	constructor(shown) {
		Object.assign(this, { shown, video: $("video"), results: new Map(), current: null, frames: 0, unmatched: 0 });
	}

	play(track) {
		const { video } = this;
		video.srcObject = new MediaStream([track]);
		// Muted, so permitted; the end of a session rejects it.
		video.play().catch(() => {});
		const next = (at, { rtpTimestamp }) => {
			// The next session uses the same element.
			if (this.over) return;
			video.requestVideoFrameCallback(next);
			this.frame(rtpTimestamp);
		};
		video.requestVideoFrameCallback(next);
	}

	result(entry) {
		this.latest = entry;
		this.results.set(entry.ts, entry);
		if (this.results.size > RESULTS) this.results.delete(this.results.keys().next().value);
		if (entry.ts === this.current) this.draw(entry);
	}

	frame(told) {
		// Picture and timestamp in one object, where there is one: the element may already show the frame after the one it told.
		this.picture?.close?.();
		this.picture = window.VideoFrame ? new VideoFrame(this.video) : this.video;
		const ts = this.picture.metadata?.().rtpTimestamp ?? told;
		// A browser that does not tell the timestamp gets the newest boxes.
		const entry = ts === undefined ? this.latest : this.results.get(ts);
		this.current = ts;
		this.frames += 1;
		if (!entry) this.unmatched += 1;
		this.draw(entry);
		this.shown(entry);
	}

	draw(entry) {
		const { picture } = this;
		draw(picture, picture.displayWidth ?? picture.videoWidth, picture.displayHeight ?? picture.videoHeight, entry?.detections ?? []);
	}
}

// --- Recording

/** What a file job leaves to download: a line of JSON a frame and, where the browser can encode, a WebM video. */
class Recording {
	constructor() {
		Object.assign(this, { lines: [], lineBytes: 0, clusters: [], bytes: 0, frames: 0, last: 0, note: "" });
		if (!window.VideoEncoder) this.note = "This browser does not encode video here, so there is only the data.";
	}

	line({ video_metadata: meta, serialized_output_data: data, errors }) {
		const { frame_id, pts, time_base, received_at } = meta ?? {};
		const line = `${JSON.stringify({ frame_id, pts, time_base, received_at, data: withoutImages(data), errors })}\n`;
		this.lineBytes += line.length;
		if (this.lineBytes < LINES_BYTES) this.lines.push(line);
		else this.note = `The data ends after ${this.lines.length} frames: it is too much for a page.`;
	}

	/** Encodes what the canvas shows; waits while the encoder is behind, which holds back the worker. */
	async frame(canvas, { pts, time_base: base, declared_fps: fps }) {
		if (this.note) return;
		try {
			this.encoder ??= this.begin(canvas, fps || 30);
			const seconds = finite(pts * base) && base ? pts * base : this.frames / this.fps;
			this.origin ??= seconds;
			// Times must rise, whatever the file says.
			this.last = Math.max(Math.round((seconds - this.origin) * 1e6), this.frames && this.last + 1000);
			const frame = new VideoFrame(canvas, { timestamp: this.last });
			this.encoder.encode(frame, { keyFrame: this.frames % 150 === 0 });
			frame.close();
			this.frames += 1;
			while (this.encoder.encodeQueueSize > 4) await new Promise((resolve) => this.encoder.addEventListener("dequeue", resolve, { once: true }));
		} catch (error) {
			this.failed(error);
		}
	}

	failed({ message }) {
		this.note ||= `The annotated video ends early: ${message}`;
		// Who waits for room in it waits no more.
		this.encoder?.dispatchEvent(new Event("dequeue"));
	}

	begin({ width, height }, fps) {
		Object.assign(this, { width, height, fps });
		const encoder = new VideoEncoder({ output: (chunk) => this.store(chunk), error: (error) => this.failed(error) });
		encoder.configure({ codec: "vp8", width, height, bitrate: Math.max(1e6, width * height * fps * 0.12), framerate: fps, latencyMode: "quality" });
		return encoder;
	}

	store(chunk) {
		this.bytes += chunk.byteLength;
		if (this.bytes > VIDEO_BYTES) return this.failed(new Error("it is too large for a page."));
		const data = new Uint8Array(chunk.byteLength);
		chunk.copyTo(data);
		const ms = Math.round(chunk.timestamp / 1000);
		const key = chunk.type === "key";
		if (key || ms - this.clusters.at(-1).ms > 30000) this.clusters.push({ ms, key, blocks: [] });
		const cluster = this.clusters.at(-1);
		cluster.blocks.push([Uint8Array.of(0x81, (ms - cluster.ms) >> 8, ms - cluster.ms, key ? 0x80 : 0), data]);
	}

	/** Ends the encoding; the files by name. */
	async files() {
		if (this.encoder?.state === "configured") await this.encoder.flush().catch(() => {});
		const files = this.lines.length ? [["results.jsonl", new Blob(this.lines)]] : [];
		if (this.clusters.length) files.unshift(["annotated.webm", webm(this)]);
		return files;
	}
}

/** Encoded pictures as WebM: header, clusters, and an index to seek by. */
function webm({ clusters, width, height, fps, last }) {
	const head = ebml(0x1a45dfa3, int(0x4282, "webm"), int(0x4287, 2), int(0x4285, 2));
	const duration = new DataView(new ArrayBuffer(8));
	duration.setFloat64(0, last / 1000 + 1000 / fps);
	const info = ebml(0x1549a966, int(0x2ad7b1, 1e6), ebml(0x4489, [new Uint8Array(duration.buffer)]), int(0x4d80, "framewire"), int(0x5741, "framewire"));
	const tracks = ebml(0x1654ae6b, ebml(0xae, int(0xd7, 1), int(0x73c5, 1), int(0x83, 1), int(0x86, "V_VP8"), ebml(0xe0, int(0xb0, width), int(0xba, height))));
	let at = size(info) + size(tracks);
	const cues = [];
	const bodies = clusters.map(({ ms, key, blocks }) => {
		if (key) cues.push(ebml(0xbb, int(0xb3, ms), ebml(0xb7, int(0xf7, 1), int(0xf1, at))));
		const cluster = ebml(0x1f43b675, int(0xe7, ms), ...blocks.map((block) => ebml(0xa3, block)));
		at += size(cluster);
		return cluster;
	});
	return new Blob([...head, ...ebml(0x18538067, info, tracks, ...bodies, ebml(0x1c53bb6b, ...cues))], { type: "video/webm" });
}

const size = (parts) => parts.reduce((sum, part) => sum + part.length, 0);
const bigEndian = (value, length) => Uint8Array.from({ length }, (_, index) => Math.floor(value / 256 ** (length - 1 - index)));

/** An EBML element, as a list of byte strings: id, size in eight bytes, content. */
function ebml(id, ...children) {
	const content = children.flat();
	const length = bigEndian(size(content), 8);
	length[0] = 1;
	return [bigEndian(id, id > 0xffffff ? 4 : id > 0xffff ? 3 : id > 0xff ? 2 : 1), length, ...content];
}

/** One that holds a number, or a text. */
const int = (id, value) => ebml(id, [typeof value === "string" ? new TextEncoder().encode(value) : bigEndian(value, 6)]);

// --- Graphs and statistics

const format = (value) => value.toFixed(value >= 100 || Number.isInteger(value) ? 0 : 1);
const ms = (value) => `${format(value)} ms`;
const amount = (bytes) => (bytes >= 1e6 ? `${format(bytes / 1e6)} MB` : `${Math.ceil(bytes / 1000)} kB`);
const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];

/** Lines over the last minute, two points a second; the same in words for who does not see it. */
class Chart {
	constructor(name, title, unit) {
		Object.assign(this, { title, unit, canvas: $(`${name}-chart`), value: $(`${name}-now`), points: [] });
	}

	add(...values) {
		this.points = [...this.points.slice(-119), values];
		const all = this.points.map(([value]) => value).filter(finite);
		if (!all.length) return;
		this.value.textContent = `${format(all.at(-1))} ${this.unit}`;
		this.canvas.ariaLabel = `${this.title}: now ${this.value.textContent}, lowest ${format(Math.min(...all))}, highest ${format(Math.max(...all))} in the last minute`;
		this.draw();
	}

	draw() {
		const { canvas, points } = this;
		const ratio = devicePixelRatio;
		const [width, height] = [canvas.clientWidth * ratio, canvas.clientHeight * ratio];
		// Clears it, too.
		Object.assign(canvas, { width, height });
		const context = canvas.getContext("2d");
		const top = Math.max(1, ...points.flat().filter(finite)) * 1.15;
		context.lineWidth = 2 * ratio;
		["--accent", "--second"].forEach((color, line) => {
			context.strokeStyle = getComputedStyle(canvas).getPropertyValue(color);
			context.beginPath();
			points.forEach((values, index) => {
				const value = values[line];
				if (finite(value)) context.lineTo(width - ((points.length - 1 - index) * width) / 119, (height - ratio) * (1 - value / top));
			});
			context.stroke();
		});
	}
}

/** Rates from the connection's own counters, and the way of a frame in stages, without comparing clocks. */
class Meter {
	constructor(session, view) {
		Object.assign(this, { session, view, stages: [], latencies: [], sent: 0, rtt: 0 });
	}

	/**
	 * A live frame is on the canvas. From the camera to here it took: encoding and leaving (averages of the connection), one round
	 * trip, the worker's own stages, and what passed since its result came: encoding there, jitter buffer, decoding, drawing.
	 */
	shown({ fw, arrived }) {
		this.worked(fw, this.sent, this.rtt, now() - arrived);
		this.latencies.push(this.stages.at(-1).reduce((sum, ms) => sum + ms));
	}

	worked(fw, sent = 0, rtt = 0, back = 0) {
		const worker = [fw.queue_us, fw.decode_us, fw.infer_us].map((us) => (us ?? 0) / 1000);
		this.stages.push([sent, rtt, ...worker, back]);
	}

	async tick() {
		const { session, view } = this;
		if (session.ended || !session.pc) return;
		const stats = await session.pc.getStats();
		const all = [...stats.values()];
		const of = (type) => all.find((entry) => entry.type === type && (!entry.kind || entry.kind === "video")) ?? {};
		const [outbound, inbound, transport] = [of("outbound-rtp"), of("inbound-rtp"), of("transport")];
		const pair = stats.get(transport.selectedCandidatePairId) ?? all.find(({ selected }) => selected) ?? all.find(({ nominated, state }) => nominated && state === "succeeded") ?? {};
		const { bytesSent: up, bytesReceived: down } = transport.bytesSent === undefined ? pair : transport;
		const counts = { ...outbound, ms: now(), frames: view.frames, up, down };
		const before = this.counts ?? counts;
		this.counts = counts;
		const rate = (name, per, scale) => (counts[per] > before[per] ? ((counts[name] - before[name]) / (counts[per] - before[per])) * scale || 0 : 0);
		this.rtt = (pair.currentRoundTripTime ?? 0) * 1000;
		this.sent = rate("totalEncodeTime", "framesEncoded", 1000) + rate("totalPacketSendDelay", "packetsSent", 1000);
		this.fps = rate("frames", "ms", 1000);
		this.latency = median(this.latencies);
		page.charts.fps.add(this.fps);
		page.charts.latency.add(this.latency);
		page.charts.rate.add(rate("down", "ms", 0.008), rate("up", "ms", 0.008));
		this.describe(stats, outbound, inbound, of("remote-inbound-rtp"), pair);
		this.stages = [];
		this.latencies = [];
	}

	describe(stats, outbound, inbound, remote, pair) {
		const { session, view } = this;
		const video = (entry) => entry.frameWidth && `${stats.get(entry.codecId)?.mimeType.slice(6)} ${entry.frameWidth} × ${entry.frameHeight}`;
		const lost = inbound.packetsLost / (inbound.packetsLost + inbound.packetsReceived);
		fill("stats", {
			"Round trip": ms(this.rtt),
			Path: [pair.localCandidateId, pair.remoteCandidateId].map((id) => stats.get(id)?.candidateType).join(" ↔ "),
			Sent: video(outbound),
			Received: video(inbound),
			"Loss up": percent(remote.fractionLost),
			"Loss down": percent(lost),
			Jitter: inbound.jitter && ms(inbound.jitter * 1000),
			"Frames shown": view.frames,
			"Frames the decoder dropped": inbound.framesDropped,
			"Frames without a result": view.unmatched,
			Results: session.received,
			...Object.fromEntries(Object.entries(session.drops).map(([reason, count]) => [`Results dropped: ${reason}`, count])),
		});
		if (!this.stages.length) return;
		const mid = (index) => {
			const time = median(this.stages.map((stage) => stage[index]));
			return time && ms(time);
		};
		fill("stages", { "Encode and send": mid(0), "Network, both ways": mid(1), "Worker: wait": mid(2), "Worker: decode": mid(3), "Worker: run": mid(4), "Come back and show": mid(5) });
	}
}

function fill(id, rows) {
	$(id).replaceChildren(...Object.entries(rows).filter(([, value]) => value).flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
}

// --- The data beside the picture

const opened = new Set(["", "/serialized_output_data"]);

/** The latest result as a table and as a tree, four times a second at most: nobody reads faster. */
function showData(json, detections) {
	page.latest = [json, detections];
	page.dataDue ??= setTimeout(renderData, 250);
}

function renderData() {
	page.dataDue = null;
	if (!page.latest) return;
	const [json, detections] = page.latest;
	$("result-of").textContent = `frame ${json.video_metadata?.frame_id}`;
	$("errors").textContent = json.errors?.[0] ?? "";
	const row = (...texts) => make("tr", {}, ...texts.map((text) => make("td", { colSpan: texts[1] ? 1 : 4 }, text)));
	const rows = detections.slice(0, 99).map((one) => row(one.class ?? one.class_id, percent(one.confidence), `${one.x | 0}, ${one.y | 0}`, `${one.width | 0} × ${one.height | 0}`));
	$("detections").tBodies[0].replaceChildren(...(rows.length ? rows : [row("Nothing in this frame.")]));
	// What somebody walks through with the keyboard stays as it is.
	if (!$("json").open || $("tree").contains(document.activeElement)) return;
	$("tree").replaceChildren(branch("result", { ...json, serialized_output_data: withoutImages(json.serialized_output_data) }, ""));
}

function branch(name, value, path) {
	if (value === null || typeof value !== "object") return make("div", { className: "leaf" }, `${name}: ${JSON.stringify(value)?.slice(0, 300)}`);
	const entries = Object.entries(value);
	const node = make("details", { open: opened.has(path) }, make("summary", {}, `${name} (${entries.length})`));
	const grow = () => node.childElementCount === 1 && node.append(...entries.slice(0, 100).map(([key, item]) => branch(key, item, `${path}/${key}`)));
	if (node.open) grow();
	node.addEventListener("toggle", () => {
		opened[node.open ? "add" : "delete"](path);
		grow();
	});
	return node;
}

// --- Page

const page = {
	models: [],
	charts: { fps: new Chart("fps", "Frames a second", "fps"), latency: new Chart("latency", "Latency", "ms"), rate: new Chart("rate", "Bit rate received", "Mbit/s") },
};
const chosen = (name) => document.querySelector(`input[name=${name}]:checked`).value;
const value = (id) => $(id).value.trim();

function setState(state) {
	document.body.dataset.state = page.state = state;
	const busy = state === "connecting" || state === "running";
	const focused = document.activeElement;
	$("fields").disabled = busy;
	$("start").hidden = busy;
	$("stop").hidden = !busy;
	$("overlay").hidden = state === "running" || state === "done";
	$("hud").hidden = state !== "running";
	$("hint").hidden = state !== "idle";
	$("steps").hidden = state === "idle";
	$("failure").hidden = state !== "failed";
	if (focused?.matches(":disabled, button[hidden]")) $(busy ? "stop" : "start").focus();
}

function say(text) {
	if ($("status").textContent !== text) $("status").textContent = text;
}

function atStep(name, is = "now") {
	let passed = true;
	for (const item of $("steps").children) {
		const here = item.id === `step-${name}`;
		if (here) passed = false;
		item.dataset.is = here ? is : passed ? "done" : "later";
	}
	say(is === "now" ? `${STEPS[name]}…` : `${STEPS[name]}: failed.`);
}

function showFault({ step, cause, message, advice, facts }) {
	setState("failed");
	atStep(step, "failed");
	const list = (texts) => make("ul", {}, ...texts.slice(0, 40).map((text) => make("li", {}, text)));
	const details = facts.length ? [make("details", {}, make("summary", {}, "Details"), list(facts))] : [];
	Object.assign($("failure").dataset, { step, cause });
	$("failure").replaceChildren(make("h2", {}, `${STEPS[step]}: failed`), make("p", {}, message), list(advice), ...details);
}

/** For a field of the form that cannot be used as it is. */
const complaint = (field, text) => Object.assign(new Error(text), { field: $(field) });

function jsonField(id, good) {
	if (!value(id)) return null;
	let read;
	try {
		read = JSON.parse(value(id));
	} catch (error) {
		throw complaint(id, `This is no JSON: ${error.message}`);
	}
	if (!good(read)) throw complaint(id, "This has not the form shown.");
	return read;
}

function required(id, text) {
	if (!value(id)) throw complaint(id, text);
	return value(id);
}

/** One model, as a workflow of one step. */
function modelWorkflow() {
	const model = page.models.find(({ id }) => id === value("model"));
	if (!model) throw complaint("model", "This worker has no model. Choose a workflow.");
	const type = `roboflow_core/roboflow_${model.task_type.replaceAll("-", "_")}_model@v2`;
	return {
		version: "1.0",
		inputs: [{ type: "InferenceImage", name: "image" }],
		steps: [{ type, name: "model", images: "$inputs.image", model_id: model.id, confidence: value("confidence") / 100 }],
		outputs: [{ type: "JsonField", name: "predictions", coordinates_system: "own", selector: "$steps.model.predictions" }],
	};
}

/** What to run and which outputs to ask for. */
function readRun(isFile) {
	const input = value("image-input") || "image";
	const flow = { image_input_name: input, workflows_parameters: jsonField("parameters", isObject) ?? {} };
	const run = chosen("run");
	if (page.info?.processor) return { flow: { ...flow, workflow_specification: {} }, streamOutput: isFile ? [] : null, dataOutput: isFile ? ["*", "image"] : ["*"] };
	if (run === "id") {
		Object.assign(flow, { workspace_name: required("workspace", "Name the workspace."), workflow_id: required("workflow", "Name the workflow.") });
		return { flow, streamOutput: isFile ? [] : null, dataOutput: ["*"] };
	}
	if (run === "json") required("definition", "Paste a definition or choose a file.");
	const definition = run === "json" ? jsonField("definition", isObject) : modelWorkflow();
	const picture = pictureOutput(definition, input);
	flow.workflow_specification = definition;
	return { flow, picture, streamOutput: isFile ? [] : [picture], dataOutput: isFile ? ["*", picture] : ["*"] };
}

/** The output to look at: what a block of the definition draws, else the plain frame, which then is one more output. */
function pictureOutput(definition, input) {
	const { steps, outputs } = definition;
	if (!Array.isArray(outputs) || !Array.isArray(steps)) throw complaint("definition", "`steps` and `outputs` must be lists.");
	const from = (selector) => outputs.find((output) => output?.selector === selector)?.name;
	const drawn = steps.map((step) => /visualization/i.test(step?.type) && from(`$steps.${step.name}.image`)).findLast(Boolean);
	if (page.drawn !== drawn) $("boxes").checked = !drawn;
	page.drawn = drawn;
	if (drawn) return drawn;
	const plain = `$inputs.${input}`;
	if (!from(plain)) outputs.push({ type: "JsonField", name: "viewer_picture", selector: plain });
	return from(plain);
}

function readForm() {
	const source = chosen("source");
	const job = { realtime: source !== "file" };
	if (source === "file") job.file = readFile(job);
	if (source === "url") {
		job.url = value("url");
		if (!/^(rtsps?|https?):\/\/./i.test(job.url)) throw complaint("url", "The URL must begin with rtsp://, rtsps://, http:// or https://.");
	}
	Object.assign(job, readRun(job.file), { iceServers: jsonField("ice", Array.isArray) ?? [] });
	try {
		new RTCPeerConnection({ iceServers: job.iceServers }).close();
	} catch (error) {
		throw complaint("ice", error.message);
	}
	job.key = page.info?.api_key_required ? required("key", "This worker wants an API key.") : value("key");
	return job;
}

function readFile(job) {
	const [file] = $("file").files;
	if (!file) throw complaint("file", "Choose a video file.");
	if (!file.size) throw complaint("file", "This file is empty or gone.");
	const most = page.info?.limits.max_upload_bytes;
	if (file.size > most) throw complaint("file", `This file has ${amount(file.size)}; the worker takes ${amount(most)} (--max-upload-bytes).`);
	// The same name again lets an upload that broke off go on.
	if (page.upload?.file !== file) page.upload = { file, id: uuid() };
	job.uploadId = page.upload.id;
	return file;
}

/** crypto.randomUUID exists on secure pages only; every blob's name ends with one. */
function uuid() {
	const url = URL.createObjectURL(new Blob());
	URL.revokeObjectURL(url);
	return url.slice(-36);
}

async function openCamera() {
	if (!navigator.mediaDevices) throw new Fault("insecure_context");
	const [width, height] = value("size").split("x").map((ideal) => ({ ideal: +ideal }));
	const deviceId = value("camera") ? { exact: value("camera") } : undefined;
	return navigator.mediaDevices.getUserMedia({ video: { deviceId, width, height, frameRate: { ideal: 30 } } }).catch(({ name, message }) => {
		const causes = { NotAllowedError: "camera_denied", NotFoundError: "camera_none", OverconstrainedError: "camera_none" };
		throw new Fault(causes[name] ?? "camera_busy", message, [`${name}: ${message}`]);
	});
}

/** Cameras by name; names are secret until a camera was permitted once. */
async function listCameras() {
	const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
	const before = value("camera");
	const cameras = devices.filter(({ kind, deviceId }) => kind === "videoinput" && deviceId);
	const options = cameras.map(({ deviceId, label }) => new Option(label, deviceId, false, deviceId === before));
	$("camera").replaceChildren(new Option("Default camera", ""), ...options);
}

async function start() {
	complain(null);
	let job;
	try {
		job = readForm();
	} catch (error) {
		return complain(error);
	}
	setState("connecting");
	prepare(job);
	const turn = (page.turn = {});
	try {
		atStep("source");
		if (chosen("source") === "camera") job.stream = await openCamera();
		await job.file?.slice(0, 1).arrayBuffer().catch(() => {
			throw new Fault("file_unreadable");
		});
		// Stopped meanwhile.
		if (page.turn !== turn) return job.stream?.getTracks().forEach((track) => track.stop());
		if (job.stream) listCameras();
		atStep("worker");
		runSession(job);
	} catch (error) {
		if (page.turn === turn) showFault(error instanceof Fault ? error : new Fault("page_error", error.message));
	}
}

/** Everything of the last session off the page. */
function prepare(job) {
	(page.urls ?? []).forEach((url) => URL.revokeObjectURL(url));
	for (const id of ["downloads", "upload", "work"]) $(id).hidden = true;
	for (const id of ["upload-bar", "work-bar"]) $(id).removeAttribute("value");
	for (const id of ["stats", "stages"]) fill(id, {});
	for (const chart of Object.values(page.charts)) chart.points = [];
	const names = Object.keys(STEPS).filter((name) => name !== "upload" || job.file);
	$("steps").replaceChildren(...names.map((step) => make("li", { id: `step-${step}` }, STEPS[step])));
}

function runSession(job) {
	let last = now();
	const recording = job.file && new Recording();
	const first = () => {
		last = now();
		session.sawFrame();
		if (page.state !== "connecting") return;
		setState("running");
	};
	const view = new LiveView((entry) => {
		if (entry) meter.shown(entry);
		first();
	});
	const live = (json, images, arrived) => {
		const detections = detectionsOf(json.serialized_output_data);
		const fw = json.video_metadata?.fw ?? {};
		view.result({ ts: fw.rtp_ts, detections, fw, arrived });
		showData(json, detections);
		// No frame is shown now.
		if (document.hidden) first();
	};
	const still = async (json, images) => {
		const { serialized_output_data: data, video_metadata: meta } = json;
		meter.worked(meta.fw ?? {});
		const detections = detectionsOf(data);
		const image = data?.[job.picture] ?? Object.values(data ?? {}).find(isImage);
		let encoded;
		if (isImage(image)) {
			const bitmap = await createImageBitmap(jpegOf(image, images));
			if (session.ended) return;
			draw(bitmap, bitmap.width, bitmap.height, detections);
			bitmap.close();
			view.frames += 1;
			encoded = recording.frame($("picture"), meta);
		}
		// In the same moment: whenever it is stopped, there are as many lines as frames.
		recording.line(json);
		showData(json, detections);
		first();
		await encoded;
		const total = image?.video_metadata?.total_frames;
		progress("work", meta.frame_id, total, total ? `${meta.frame_id} of ${total}` : meta.frame_id);
	};
	const session = (page.session = new Session(job, {
		step: atStep,
		track: (track) => view.play(track),
		result: job.file ? still : live,
		progress: (done, total) => progress("upload", done, total, `${amount(done)} of ${amount(total)}`),
		notice: say,
		end: async (fault) => {
			clearInterval(timer);
			view.over = true;
			$("video").srcObject = null;
			view.picture?.close?.();
			const files = (await recording?.files().catch((error) => recording.failed(error))) ?? [];
			// Another one was started meanwhile.
			if (page.session !== session) return;
			if (recording) offer(files, recording.note);
			renderData();
			askWorker();
			if (fault) return showFault(fault);
			setState(view.frames ? "done" : "idle");
			say(page.stopped ? "Stopped." : job.file ? `Done: ${session.received} frames.` : "The source has ended.");
		},
	}));
	const meter = new Meter(session, view);
	const timer = setInterval(() => {
		// It ended meanwhile.
		meter.tick().catch(() => {});
		page.shownWidth = $("picture").clientWidth;
		$("hud").textContent = `${format(meter.fps ?? 0)} fps${meter.latency ? ` · ${ms(meter.latency)}` : ""}`;
		if (page.state !== "running" || session.recovering) return;
		// Only said: slow workflows and cameras that connect anew have gaps.
		if (document.hidden) last = now();
		const silent = now() - last;
		if (silent > 3000) $("hud").textContent = `No frame for ${Math.floor(silent / 1000)} s`;
		say(silent > 3000 ? "No frame comes…" : "Running.");
	}, 500);
	page.stopped = false;
	session.run();
}

function progress(id, done, total, text) {
	$(id).hidden = false;
	if (total) $(`${id}-bar`).value = done / total;
	$(`${id}-text`).value = text;
}

function offer(files, note) {
	page.urls = files.map(([, blob]) => URL.createObjectURL(blob));
	const links = files.map(([download, blob], index) => make("a", { href: page.urls[index], download }, `Save ${download} (${amount(blob.size)})`));
	$("downloads").replaceChildren(...links, note);
	$("downloads").hidden = !links.length;
}

function stop() {
	page.turn = null;
	page.stopped = true;
	if (page.session && !page.session.ended) return page.session.finish(null);
	setState("idle");
	say("Stopped.");
}

function complain(error) {
	$("complaint").hidden = !error;
	for (const field of document.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
	if (!error) return;
	$("complaint").textContent = error.message;
	error.field?.closest("details")?.setAttribute("open", "");
	error.field?.setAttribute("aria-invalid", "true");
	error.field?.setAttribute("aria-errormessage", "complaint");
	error.field?.focus();
}

async function askWorker() {
	const get = async (route) => {
		const answer = await fetch(route, { signal: AbortSignal.timeout(10000) });
		return answer.ok ? answer.json() : Promise.reject();
	};
	try {
		const [info, { models }] = await Promise.all([get("info"), get("models")]);
		const full = info.sessions >= info.limits.max_sessions;
		const before = value("model");
		$("model").replaceChildren(...models.map(({ id, task_type }) => new Option(`${id} (${task_type})`, id, false, id === before)));
		Object.assign(page, { info, models });
		$("worker").textContent = `worker ${info.version}${info.draining ? " is shutting down" : full ? " is full" : ""}`;
		$("worker").dataset.level = info.draining || full ? "bad" : "good";
		// It runs a function of its own, whatever is asked for.
		$("run").hidden = info.processor;
	} catch {
		$("worker").textContent = "The worker does not answer. Check that it runs, then reload.";
		$("worker").dataset.level = "bad";
	}
	$("model-help").hidden = page.models.length > 0;
	showPanels();
}

function showPanels() {
	for (const panel of document.querySelectorAll("[data-for]")) panel.hidden = panel.dataset.for !== chosen(panel.dataset.of);
	// What is by id may be by key.
	$("key-field").hidden = !page.info?.api_key_required && chosen("run") !== "id";
}

const on = (id, event, listener) => $(id).addEventListener(event, listener);
on("setup", "submit", (event) => {
	event.preventDefault();
	start();
});
on("setup", "change", showPanels);
on("stop", "click", stop);
on("confidence", "input", () => ($("confidence-value").value = `${value("confidence")} %`));
on("json", "toggle", renderData);
on("definition-file", "change", async ({ target }) => ($("definition").value = (await target.files[0]?.text()) ?? ""));
addEventListener("pagehide", stop);
askWorker();
listCameras();
