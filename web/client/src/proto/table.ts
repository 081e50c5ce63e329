import type { NodeRecord } from '../protocol.gen.js';
import { ProtoError } from './reader.js';

export interface NumberedNode {
	number: number;
	/** Its id is empty where the number alone names it. */
	record: NodeRecord;
}

/** The ids behind the numbers of nodes, which hold for an epoch, on every connection. */
export class NodeTable {
	private epoch = '';
	private readonly ids = new Map<number, string>();

	constructor(private readonly latest: (id: string) => NodeRecord | undefined) {}

	/** A new epoch counts the nodes anew. */
	enterEpoch(epoch: string): void {
		if (epoch === this.epoch) return;
		this.epoch = epoch;
		this.ids.clear();
	}

	introduce({ number, record }: NumberedNode): NodeRecord {
		if (record.id === '') throw new ProtoError(`node ${number} is introduced without an id`);
		this.ids.set(number, record.id);
		return record;
	}

	/** Records of nodes that are known by number. What is said of others can be ignored. */
	named<T extends { id: string }>(numbered: { number: number; record: T }[]): T[] {
		return numbered.flatMap(({ number, record }) => {
			const id = this.ids.get(number);
			return id === undefined ? [] : [{ ...record, id }];
		});
	}

	idsOf(numbers: number[]): string[] {
		return numbers.flatMap((number) => this.ids.get(number) ?? []);
	}

	held(number: number): NodeRecord | undefined {
		const id = this.ids.get(number);
		return id === undefined ? undefined : this.latest(id);
	}
}
