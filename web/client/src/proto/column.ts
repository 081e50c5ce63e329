import { ProtoError, type Reader } from './reader.js';

/** A number and its difference from another one have 64 bits at most. */
const LARGEST_SHIFT = 63;
const MOST_DIGITS = 65;

/** Whole numbers in an exponential Golomb code: see `Column` in geocast.v1.proto. */
export class Column {
	static readonly EMPTY = new Column(0, new Uint8Array());

	constructor(
		private readonly shift: number,
		private readonly bits: Uint8Array,
	) {
		if (shift > LARGEST_SHIFT) throw new ProtoError(`a column is shifted by ${shift} bits`);
	}

	static decode(reader: Reader): Column {
		let shift = 0;
		let bits: Uint8Array = new Uint8Array();
		while (reader.next()) {
			if (reader.field === 1) shift = reader.uint();
			else if (reader.field === 2) bits = reader.bytes();
		}
		return new Column(shift, bits);
	}

	/** Different numbers, the smallest first. They need some bits each, which bounds what a wrong count can cost. */
	ascending(count: number): number[] {
		if (count > Math.max(1, this.bits.length * 8)) throw new ProtoError('a column has fewer numbers than rows');
		const result = this.values(count);
		if (result.some((value, i) => i > 0 && value <= (result[i - 1] as number))) {
			throw new ProtoError('the numbers of nodes do not ascend');
		}
		return result;
	}

	/** The numbers themselves: each the difference from `bases[i]`, or from the row before where there are no bases. */
	values(count: number, bases?: number[]): number[] {
		const result = this.differences(count);
		let before = 0;
		for (let i = 0; i < count; i++) {
			if (bases) before = bases[i] ?? 0;
			before += result[i] as number;
			result[i] = before;
		}
		return result;
	}

	private differences(count: number): number[] {
		if (this.bits.length === 0) return new Array<number>(count).fill(0);
		const bits = new BitReader(this.bits);
		const unit = 2 ** this.shift;
		const result: number[] = [];
		while (result.length < count) {
			const natural = (bits.number() - 1) * unit + bits.read(this.shift);
			// In the place of `%`, which is slow for numbers of more than 31 bits.
			const half = Math.floor(natural / 2);
			result.push(half * 2 === natural ? half : -half - 1);
		}
		if (bits.left >= 8) throw new ProtoError('a column has more numbers than rows');
		return result;
	}
}

/** Decimal fractions in a column. */
export class Decimals {
	static readonly EMPTY = new Decimals(0, Column.EMPTY, []);

	constructor(
		private readonly decimals: number,
		private readonly column: Column,
		private readonly exact: number[],
	) {}

	static decode(reader: Reader): Decimals {
		let decimals = 0;
		let column = Column.EMPTY;
		const exact: number[] = [];
		while (reader.next()) {
			if (reader.field === 1) decimals = reader.uint();
			else if (reader.field === 2) column = reader.message(Column.decode);
			else if (reader.field === 3) reader.doubles(exact);
		}
		return new Decimals(decimals, column, exact);
	}

	values(count: number, bases?: number[]): number[] {
		if (this.exact.length > 0) {
			if (this.exact.length !== count) throw new ProtoError('there are not as many values as rows');
			return this.exact;
		}
		const unit = 10 ** this.decimals;
		const scaled = bases?.map((base) => nearest(base * unit));
		return this.column.values(count, scaled).map((value) => value / unit);
	}
}

/** Reads bits from the highest of each byte downwards. */
class BitReader {
	private at = 0;

	constructor(private readonly bytes: Uint8Array) {}

	get left(): number {
		return this.bytes.length * 8 - this.at;
	}

	/** A natural number from 1 on: one zero less than it has digits, and the digits. */
	number(): number {
		let digits = 1;
		while (this.read(1) === 0) if (++digits > MOST_DIGITS) throw new ProtoError('a number is too long');
		return 2 ** (digits - 1) + this.read(digits - 1);
	}

	/** The next `count` bits as a natural number. */
	read(count: number): number {
		if (count > this.left) throw new ProtoError('a column is cut short');
		let result = 0;
		for (let wanted = count; wanted > 0; ) {
			const free = 8 - (this.at % 8);
			const taken = Math.min(free, wanted);
			const byte = this.bytes[this.at >> 3] as number;
			result = result * (1 << taken) + ((byte >> (free - taken)) & ((1 << taken) - 1));
			this.at += taken;
			wanted -= taken;
		}
		return result;
	}
}

/** Halves go away from zero. */
function nearest(value: number): number {
	return Math.sign(value) * Math.round(Math.abs(value));
}
