/** Bits of a varint are gathered in pieces of 28, which stay exact in any arithmetic. */
const PIECE = 2 ** 28;

const VARINT = 0;
const FIXED64 = 1;
const LENGTH = 2;
const FIXED32 = 5;

// A byte order mark is a part of a text like any other.
const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Reads one message in the wire format of protocol buffers. Fields that nobody asks for are passed over; what is cut
 * short or not well formed throws. Whole numbers beyond 2^53 are rounded, as they are in JSON.
 *
 *     while (reader.next()) {
 *         if (reader.field === 1) name = reader.string();
 *     }
 */
export class Reader {
	/** The number of the field that the last `next` came to. */
	field = 0;
	private wire = VARINT;
	private unread = false;
	private at = 0;
	private readonly view: DataView;

	constructor(private readonly data: Uint8Array) {
		this.view = new DataView(data.buffer, data.byteOffset, data.byteLength);
	}

	/** Goes on to the next field; false at the end. */
	next(): boolean {
		if (this.unread) this.skip();
		if (this.at === this.data.length) return false;
		const tag = this.varint(false);
		this.field = Math.floor(tag / 8);
		this.wire = tag % 8;
		this.unread = true;
		if (this.field === 0) throw new ProtoError('a field without a number');
		return true;
	}

	/** uint32, uint64 */
	uint(): number {
		this.expect(VARINT);
		return this.varint(false);
	}

	/** int64 */
	int(): number {
		this.expect(VARINT);
		return this.varint(true);
	}

	/** sint32 */
	sint(): number {
		const value = this.uint();
		return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
	}

	bool(): boolean {
		return this.uint() !== 0;
	}

	double(): number {
		this.expect(FIXED64);
		return this.view.getFloat64(this.take(8), true);
	}

	bytes(): Uint8Array {
		this.expect(LENGTH);
		const length = this.varint(false);
		const start = this.take(length);
		return this.data.subarray(start, start + length);
	}

	string(): string {
		return text(this.bytes());
	}

	message<T>(decode: (reader: Reader) => T): T {
		return decode(new Reader(this.bytes()));
	}

	/** Adds the numbers of a repeated uint32, packed or one by one. */
	uints(into: number[]): void {
		if (this.wire === VARINT) into.push(this.uint());
		else this.packed((inner) => into.push(inner.varint(false)));
	}

	/** Adds the numbers of a repeated double, packed or one by one. */
	doubles(into: number[]): void {
		if (this.wire === FIXED64) into.push(this.double());
		else this.packed((inner) => into.push(inner.view.getFloat64(inner.take(8), true)));
	}

	private packed(read: (inner: Reader) => void): void {
		const inner = new Reader(this.bytes());
		while (inner.at < inner.data.length) read(inner);
	}

	private varint(signed: boolean): number {
		const pieces: [number, number, number] = [0, 0, 0];
		for (let i = 0; i < 10; i++) {
			const byte = this.view.getUint8(this.take(1));
			const piece = (i >> 2) as 0 | 1 | 2;
			pieces[piece] += (byte & 0x7f) * 2 ** (7 * (i % 4));
			if (byte < 0x80) return signed ? asSigned(pieces) : asNumber(pieces);
		}
		throw new ProtoError('a number is longer than 64 bits');
	}

	private skip(): void {
		if (this.wire === VARINT) this.uint();
		else if (this.wire === FIXED64) this.take(8);
		else if (this.wire === LENGTH) this.bytes();
		else if (this.wire === FIXED32) this.take(4);
		else throw new ProtoError(`a field of the unknown form ${this.wire}`);
		this.unread = false;
	}

	private expect(wire: number): void {
		if (this.wire !== wire) throw new ProtoError(`field ${this.field} has the form ${this.wire}, not ${wire}`);
		this.unread = false;
	}

	private take(length: number): number {
		const start = this.at;
		if (length > this.data.length - start) throw new ProtoError('the message is cut short');
		this.at = start + length;
		return start;
	}
}

export function text(utf8: Uint8Array): string {
	try {
		return UTF8.decode(utf8);
	} catch {
		throw new ProtoError('a text is not UTF-8');
	}
}

/** A binary frame that cannot be read. */
export class ProtoError extends Error {
	override name = 'ProtoError';
}

function asNumber([low, middle, high]: [number, number, number]): number {
	return low + middle * PIECE + (high % 256) * PIECE * PIECE;
}

/** Two's complement in 64 bits. */
function asSigned([low, middle, high]: [number, number, number]): number {
	if (high % 256 < 128) return asNumber([low, middle, high]);
	return -asNumber([PIECE - 1 - low, PIECE - 1 - middle, 255 - (high % 256)]) - 1;
}
