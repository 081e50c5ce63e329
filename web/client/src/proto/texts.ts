import { Column } from './column.js';
import { ProtoError, type Reader, text } from './reader.js';

/** A text, or none, for each row: see `Texts` in geocast.v1.proto. */
export class Texts {
	static readonly EMPTY = new Texts(0, Column.EMPTY, new Uint8Array(), Column.EMPTY);

	constructor(
		private readonly count: number,
		private readonly lengths: Column,
		private readonly utf8: Uint8Array,
		private readonly choices: Column,
	) {}

	static decode(reader: Reader): Texts {
		let count = 0;
		let lengths = Column.EMPTY;
		let utf8: Uint8Array = new Uint8Array();
		let choices = Column.EMPTY;
		while (reader.next()) {
			if (reader.field === 1) count = reader.uint();
			else if (reader.field === 2) lengths = reader.message(Column.decode);
			else if (reader.field === 3) utf8 = reader.bytes();
			else if (reader.field === 4) choices = reader.message(Column.decode);
		}
		return new Texts(count, lengths, utf8, choices);
	}

	/** That of each row; undefined for none. */
	values(rows: number): (string | undefined)[] {
		// Empty texts take no bytes, so their count could be any.
		if (this.count > rows) throw new ProtoError('there are more texts than rows');
		const texts = this.texts();
		if (texts.length === rows) return texts;
		return this.choices.values(rows).map((choice) => {
			if (choice < 0 || choice > this.count) throw new ProtoError('a row has a text that is not there');
			return texts[choice];
		});
	}

	/** All texts are made out of one: that is much faster than to decode each from its bytes. */
	private texts(): string[] {
		const { utf8 } = this;
		const whole = text(utf8);
		let byte = 0;
		let unit = 0;
		const texts = this.lengths.values(this.count).map((length) => {
			if (length < 0 || length > utf8.length - byte) throw new ProtoError('a text has a length that cannot be');
			if (utf16Units(utf8[byte]) === 0) throw new ProtoError('a text begins within a character');
			const [end, start] = [byte + length, unit];
			for (; byte < end; byte++) unit += utf16Units(utf8[byte]);
			return whole.slice(start, unit);
		});
		if (byte < utf8.length) throw new ProtoError('there is more than the texts');
		return texts;
	}
}

/** How many units of UTF-16 a character takes, by its first byte in UTF-8; 0 for its other bytes. */
function utf16Units(byte = 0): number {
	if (byte < 0x80) return 1;
	if (byte < 0xc0) return 0;
	return byte < 0xf0 ? 1 : 2;
}
