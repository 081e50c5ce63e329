export type { ConnectionState, LiveError } from './connection.js';
export type { Encoding, EventSourceLike, EventSourceMaker, SocketLike, SocketMaker, Transport } from './links.js';
export type { LiveMapEvents, LiveMapOptions } from './live.js';
export { LiveMap } from './live.js';
export type { Change, FieldGroup, Update } from './mirror.js';
export { Mirror } from './mirror.js';
export { Decoder } from './proto/decode.js';
export { encode } from './proto/encode.js';
export type * from './protocol.gen.js';
