import protobuf from 'protobufjs';
import schemaText from '../../../src/http/geocast.v1.proto?raw';

/** The published schema, read at run time by an implementation that is not ours. */
const schema = protobuf.parse(schemaText).root;

export const ServerFrame = schema.lookupType('geocast.v1.ServerMessage');
export const ClientFrame = schema.lookupType('geocast.v1.ClientMessage');

/** A binary frame, from an object with the names of the schema in camelCase. */
export function frame(message: object): Uint8Array {
	return ServerFrame.encode(ServerFrame.fromObject(message)).finish();
}

/** Whole numbers in an exponential Golomb code, written straight from the words of the schema, digit by digit. */
export function column(differences: (number | bigint)[], shift = 0): { shift: number; bits: Uint8Array } {
	let bits = '';
	for (const difference of differences) {
		const d = BigInt(difference);
		const u = d >= 0n ? 2n * d : -2n * d - 1n;
		const q = ((u >> BigInt(shift)) + 1n).toString(2);
		const low = shift > 0 ? (u & ((1n << BigInt(shift)) - 1n)).toString(2).padStart(shift, '0') : '';
		bits += '0'.repeat(q.length - 1) + q + low;
	}
	const bytes = bits.padEnd(Math.ceil(bits.length / 8) * 8, '0').match(/.{8}/g) ?? [];
	return { shift, bits: Uint8Array.from(bytes, (byte) => Number.parseInt(byte, 2)) };
}

/** Each number as the difference from the one before. */
export function stepwise(values: number[]): number[] {
	return values.map((value, i) => value - (values[i - 1] ?? 0));
}

/** A small seeded generator, so that a failure can be repeated. */
export class Chance {
	constructor(private state: number) {}

	/** Runs a test with many seeds; a failure names its own. */
	static forEach(seeds: number, run: (chance: Chance) => void): void {
		for (let seed = 0; seed < seeds; seed++) {
			try {
				run(new Chance(seed));
			} catch (error) {
				throw new Error(`with seed ${seed}: ${error instanceof Error ? error.message : error}`, { cause: error });
			}
		}
	}

	/** A number from 0 up to 1. */
	next(): number {
		this.state = (Math.imul(this.state, 1664525) + 1013904223) >>> 0;
		return this.state / 2 ** 32;
	}
	below(limit: number): number {
		return Math.floor(this.next() * limit);
	}
	between(low: number, high: number): number {
		return low + this.below(high - low + 1);
	}
	maybe(probability = 0.5): boolean {
		return this.next() < probability;
	}
	pick<T>(all: readonly T[]): T {
		return all[this.below(all.length)] as T;
	}
	text(): string {
		return Array.from({ length: this.below(8) }, () =>
			this.pick(['a', 'Ø', '東', '\u{1f600}', '\ufeff', '"', '<']),
		).join('');
	}
}
