import { Mirror } from '../src/mirror.js';
import { Decoder } from '../src/proto/decode.js';
import type { ServerMessage } from '../src/protocol.gen.js';
import { frame } from './reference.js';

export const EPOCH = 'e1';

/** A client that gets binary frames. */
export class Client {
	readonly mirror = new Mirror();
	readonly decoder = new Decoder((id) => this.mirror.latest(id));

	hears(message: object): ServerMessage | null {
		const decoded = this.decoder.decode(frame(message));
		if (decoded) this.mirror.apply(decoded);
		return decoded;
	}
}

export function snapshot(nodes: object[], fields: object = {}): object {
	return { snapshot: { epoch: EPOCH, revision: 1, full: true, nodes, ...fields } };
}
