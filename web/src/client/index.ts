export type { Diff } from './mirror';
export { Mirror } from './mirror';
export type { ConnectionState, LiveOptions, SocketLike } from './socket';
export { LiveConnection } from './socket';
