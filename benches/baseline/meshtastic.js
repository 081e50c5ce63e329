// Reads Meshtastic packets as they come over MQTT: the few fields that a map needs.

import { createDecipheriv } from "node:crypto";

const DEFAULT_KEY = Buffer.from("d4f1bb3a20290759f0bcffabcf4e6901", "hex");

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

/** Ports of the packets that are understood. */
export const POSITION_APP = 3;
export const NODEINFO_APP = 4;
export const TELEMETRY_APP = 67;

/** The fields of a protobuf message by number; the last one of a number counts. */
function fields(buffer) {
  const found = [];
  let at = 0;
  // Values beyond 2^53 do not occur in the fields that are read.
  const varint = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      if (at >= buffer.length) throw new Error("a message ends too early");
      const byte = buffer[at++];
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < buffer.length) {
    const tag = varint();
    const start = at;
    switch (tag & 7) {
      case VARINT:
        found[tag >>> 3] = varint();
        continue;
      case BYTES: {
        const length = varint();
        found[tag >>> 3] = buffer.subarray(at, at + length);
        at += length;
        break;
      }
      case FIXED32:
        found[tag >>> 3] = buffer.subarray(start, start + 4);
        at += 4;
        break;
      case FIXED64:
        at += 8;
        break;
      default:
        throw new Error(`wire type ${tag & 7}`);
    }
    if (at > buffer.length) throw new Error("a field ends too late");
  }
  return found;
}

const rounded = (value, scale) => Math.round(value * scale) / scale;
const text = (bytes) => bytes?.toString("utf8");
const fixed32 = (bytes) => bytes?.readUInt32LE(0);
const sfixed32 = (bytes) => bytes?.readInt32LE(0);
const float = (bytes) => (bytes ? rounded(bytes.readFloatLE(0), 1e4) : undefined);
/** An int32, whose negative values are written as those of 64 bits: only their low half is meant. */
const int32 = (value) => (value === undefined ? undefined : value % 4294967296 | 0);

/** What a gateway uplinked: the packet's header, and its content still encrypted. */
export function readEnvelope(buffer) {
  const envelope = fields(buffer);
  const packet = fields(envelope[1]);
  return {
    from: fixed32(packet[1]) ?? 0,
    to: fixed32(packet[2]) ?? 0,
    id: fixed32(packet[6]) ?? 0,
    rxTime: fixed32(packet[7]) ?? 0,
    rxSnr: float(packet[8]) ?? 0,
    rxRssi: int32(packet[12]) ?? 0,
    hopLimit: packet[9] ?? 0,
    channel: text(envelope[2]) ?? "",
    gateway: text(envelope[3]) ?? "",
    clear: packet[4],
    encrypted: packet[5],
  };
}

/** The content of a packet: its port and its payload. */
export function open(envelope) {
  if (envelope.clear) return readData(envelope.clear);
  const nonce = Buffer.alloc(16);
  nonce.writeUInt32LE(envelope.id, 0);
  nonce.writeUInt32LE(envelope.from, 8);
  const cipher = createDecipheriv("aes-128-ctr", DEFAULT_KEY, nonce);
  return readData(cipher.update(envelope.encrypted));
}

function readData(buffer) {
  const data = fields(buffer);
  return { port: data[1] ?? 0, payload: data[2] ?? Buffer.alloc(0) };
}

export function readPosition(buffer, now) {
  const position = fields(buffer);
  const latitude = sfixed32(position[1]);
  const longitude = sfixed32(position[2]);
  if (latitude === undefined || longitude === undefined) return undefined;
  const seconds = fixed32(position[4]);
  return {
    latitude: latitude / 1e7,
    longitude: longitude / 1e7,
    altitude: int32(position[3]),
    time: seconds ? seconds * 1000 : now,
    groundSpeed: position[15],
    groundTrack: position[16] === undefined ? undefined : rounded(position[16] / 1e5, 100),
    satsInView: position[19],
    precisionBits: position[23],
  };
}

export function readUser(buffer) {
  const user = fields(buffer);
  return {
    longName: text(user[2]),
    shortName: text(user[3]),
    hwModel: String(user[5] ?? 0),
  };
}

export function readTelemetry(buffer, now) {
  const telemetry = fields(buffer);
  if (!telemetry[2]) return undefined;
  const device = fields(telemetry[2]);
  const seconds = fixed32(telemetry[1]);
  return {
    time: seconds ? seconds * 1000 : now,
    batteryLevel: device[1],
    voltage: float(device[2]),
    channelUtilization: float(device[3]),
    airUtilTx: float(device[4]),
    uptimeSeconds: device[5],
  };
}
