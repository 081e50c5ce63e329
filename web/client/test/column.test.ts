import { describe, expect, test } from 'vitest';
import { Column, Decimals } from '../src/proto/column.js';
import { Reader } from '../src/proto/reader.js';
import { Chance, column } from './reference.js';

function held(differences: (number | bigint)[], shift = 0): Column {
	const { bits } = column(differences, shift);
	return new Column(shift, bits);
}

/** Each read as a difference from 0. */
function differences(from: Column, count: number): number[] {
	return from.values(count, new Array(count).fill(0));
}

describe('a column', () => {
	test('reads what the words of the schema say', () => {
		expect(differences(new Column(1, Uint8Array.of(0b10_11_0100, 0b0101_0000)), 4)).toEqual([0, -1, 1, -2]);
		// u = 9 and a shift of 2: q = 3 has two digits, so a zero, 11, and then the lowest digits 01.
		expect(differences(new Column(2, Uint8Array.of(0b0_11_01_000)), 1)).toEqual([-5]);
	});

	test('reads what the reference writes', () => {
		Chance.forEach(200, (chance) => {
			const largest = 2 ** chance.between(0, 51);
			const values = Array.from(
				{ length: chance.below(70) },
				() => Math.round((chance.next() - 0.5) * 2 * largest) || 0,
			);
			expect(differences(held(values, chance.between(0, 63)), values.length)).toEqual(values);
		});
	});

	test('without bits stands for no differences', () => {
		expect(differences(Column.EMPTY, 3)).toEqual([0, 0, 0]);
		expect(Column.EMPTY.values(2, [7, 8])).toEqual([7, 8]);
		expect(Column.EMPTY.ascending(1)).toEqual([0]);
	});

	test('adds up from row to row, or to what is held', () => {
		expect(held([5, -2, 0]).values(3)).toEqual([5, 3, 3]);
		expect(held([5, -2, 0]).values(3, [100, 200, 300])).toEqual([105, 198, 300]);
	});

	test('refuses to have fewer or more numbers than rows', () => {
		expect(() => held([1, 2]).values(3)).toThrow('cut short');
		expect(() => held([100, 100, 100]).values(1)).toThrow('more numbers');
		expect(() => new Column(64, Uint8Array.of(0))).toThrow('shifted');
		expect(() => new Column(0, new Uint8Array(20)).values(1)).toThrow('too long');
	});

	test('of the numbers of nodes must ascend, so that no count costs more than its bytes', () => {
		expect(held([3, 1, 5]).ascending(3)).toEqual([3, 4, 9]);
		expect(() => held([3, 0, 5]).ascending(3)).toThrow('ascend');
		expect(() => held([3, -1, 5]).ascending(3)).toThrow('ascend');
		expect(() => Column.EMPTY.ascending(4_000_000_000)).toThrow('fewer numbers');
		expect(() => held([1, 2]).ascending(4_000_000_000)).toThrow('fewer numbers');
	});
});

describe('decimal fractions', () => {
	test('are divided', () => {
		expect(new Decimals(2, held([18265, -5]), []).values(2)).toEqual([182.65, 182.6]);
	});

	test('are differences from what is held, in the same unit', () => {
		expect(new Decimals(1, held([1, -1, 0]), []).values(3, [58.05, 0.3, 7])).toEqual([58.2, 0.2, 7]);
	});

	test('may stand there as they are', () => {
		expect(new Decimals(1, held([1, 2]), [1e-9, 3.5]).values(2, [7, 7])).toEqual([1e-9, 3.5]);
		expect(() => new Decimals(0, Column.EMPTY, [1]).values(2)).toThrow('as many values');
	});
});

describe('the wire', () => {
	test('is read to the last byte and not beyond', () => {
		expect(() => new Reader(Uint8Array.of(0x08)).next()).not.toThrow();
		const cut = new Reader(Uint8Array.of(0x08));
		cut.next();
		expect(() => cut.uint()).toThrow('cut short');
		const long = new Reader(Uint8Array.of(0x08, ...Array(10).fill(0xff), 0x01));
		long.next();
		expect(() => long.uint()).toThrow('longer than 64 bits');
	});

	test('is not taken for what it is not', () => {
		const text = new Reader(Uint8Array.of(0x0a, 0x01, 0xff));
		text.next();
		expect(() => text.uint()).toThrow('form');
		expect(() => text.string()).toThrow('UTF-8');
		const group = new Reader(Uint8Array.of(0x0b));
		group.next();
		expect(() => group.next()).toThrow('unknown form');
		expect(() => new Reader(Uint8Array.of(0x00)).next()).toThrow('without a number');
	});
});
