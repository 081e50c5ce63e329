import type { PositionRecord, PositionUpdate, ServerMessage } from '../protocol.gen.js';
import { Column, Decimals } from './column.js';
import type { Reader } from './reader.js';
import { readTick, UNITS_PER_DEGREE } from './records.js';
import type { NodeTable } from './table.js';

/** The optional fields of a position, and their bits in `PositionUpdate.fields`. */
const BITS = { altitude: 1, groundSpeed: 2, groundTrack: 4, satsInView: 8, precisionBits: 16 };

/** Which optional fields a position has, as the sum of their bits. */
function fieldsOf(position: PositionRecord | undefined): number {
	const known = Object.entries(BITS).filter(([name]) => position?.[name as keyof typeof BITS] !== undefined);
	return known.reduce((sum, [, bit]) => sum + bit, 0);
}

/** Positions in columns: row i of every column belongs to one node. */
export function positionUpdate(table: NodeTable, reader: Reader): Extract<ServerMessage, { type: 'position_update' }> {
	let count = 0;
	let relative = false;
	let timeUnitMs = 0;
	const columns = new Map<number, Column>();
	const decimals = new Map<number, Decimals>();
	const tick = readTick(reader, (field) => {
		if (field === 3) count = reader.uint();
		else if (field === 4) relative = reader.bool();
		else if (field === 9) timeUnitMs = reader.uint();
		else if (field === 12 || field === 13) decimals.set(field, reader.message(Decimals.decode));
		else if (field >= 5 && field <= 15) columns.set(field, reader.message(Column.decode));
	});
	const column = (field: number) => columns.get(field) ?? Column.EMPTY;
	const fraction = (field: number) => decimals.get(field) ?? Decimals.EMPTY;

	const numbers = column(5).ascending(count);
	const held = relative ? numbers.map((number) => table.held(number)) : undefined;
	const units = (degrees: number | undefined) => Math.round((degrees ?? 0) * UNITS_PER_DEGREE);
	const latitudes = column(6).values(
		count,
		held?.map((node) => units(node?.position?.latitude)),
	);
	const longitudes = column(7).values(
		count,
		held?.map((node) => units(node?.position?.longitude)),
	);
	const times = column(8).values(count);
	const fields = column(10).values(
		count,
		held?.map((node) => fieldsOf(node?.position)),
	);
	const rows = numbers.map((number, i): { number: number; record: PositionUpdate } => ({
		number,
		record: {
			id: '',
			latitude: (latitudes[i] as number) / UNITS_PER_DEGREE,
			longitude: (longitudes[i] as number) / UNITS_PER_DEGREE,
			time: (times[i] as number) * timeUnitMs,
		},
	}));

	/** Fills in a field of those rows that have it. */
	const fill = (name: keyof typeof BITS, values: Pick<Column, 'values'>) => {
		const having = rows.filter((_, i) => (fields[i] as number) & BITS[name]);
		const bases = held?.filter((_, i) => (fields[i] as number) & BITS[name]).map((node) => node?.position?.[name] ?? 0);
		values.values(having.length, bases).forEach((value, i) => {
			(having[i] as (typeof rows)[number]).record[name] = value;
		});
	};
	fill('altitude', column(11));
	fill('groundSpeed', fraction(12));
	fill('groundTrack', fraction(13));
	fill('satsInView', column(14));
	fill('precisionBits', column(15));
	// A difference from a node that is not held says nothing.
	const known = held ? rows.filter((_, i) => held[i]) : rows;
	return { type: 'position_update', ...tick, positions: table.named(known) };
}
