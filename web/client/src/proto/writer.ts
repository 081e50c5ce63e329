const UTF8 = new TextEncoder();

/** Writes one message in the wire format of protocol buffers. */
export class Writer {
	private readonly data: number[] = [];

	uint(field: number, value: number): this {
		return this.varint(field * 8).varint(value);
	}

	double(field: number, value: number): this {
		const bytes = new Uint8Array(8);
		new DataView(bytes.buffer).setFloat64(0, value, true);
		this.varint(field * 8 + 1).data.push(...bytes);
		return this;
	}

	string(field: number, value: string): this {
		return this.bytes(field, UTF8.encode(value));
	}

	message(field: number, message: Writer): this {
		return this.bytes(field, message.data);
	}

	finish(): Uint8Array<ArrayBuffer> {
		return new Uint8Array(this.data);
	}

	private bytes(field: number, bytes: ArrayLike<number>): this {
		this.varint(field * 8 + 2).varint(bytes.length);
		for (let i = 0; i < bytes.length; i++) this.data.push(bytes[i] as number);
		return this;
	}

	private varint(value: number): this {
		let rest = value;
		while (rest >= 0x80) {
			this.data.push((rest % 0x80) + 0x80);
			rest = Math.floor(rest / 0x80);
		}
		this.data.push(rest);
		return this;
	}
}
