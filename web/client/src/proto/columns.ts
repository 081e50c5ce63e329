import type { NodeRecord } from '../protocol.gen.js';
import { Column } from './column.js';
import { PositionColumns } from './positions.js';
import { ProtoError, type Reader } from './reader.js';
import { StatusColumns } from './status.js';
import type { NumberedNode } from './table.js';
import { TelemetryColumns } from './telemetry.js';
import { Texts } from './texts.js';

/** What a row may have, and its bit in `NodeColumns.fields`. */
const BITS = { radioId: 1, position: 2, telemetry: 4, shortNameOfId: 8, longNameOfId: 16 };

/** The fields that are texts, by their numbers in `NodeColumns`. */
const TEXTS = [
	[6, 'network'],
	[7, 'shortName'],
	[8, 'longName'],
	[9, 'hwModel'],
	[10, 'role'],
	[11, 'firmware'],
	[12, 'channel'],
] as const;

const RADIO_ID_BYTES = 4;

/** Whole records in columns. A row without an id has an empty one. */
export function nodeColumns(reader: Reader): NumberedNode[] {
	let count = 0;
	let numbers = Column.EMPTY;
	let fields = Column.EMPTY;
	let radioIds: Uint8Array = new Uint8Array();
	const texts = new Map<number, Texts>();
	let status = new StatusColumns();
	let positions = new PositionColumns();
	let telemetry = new TelemetryColumns();
	while (reader.next()) {
		if (reader.field === 1) count = reader.uint();
		else if (reader.field === 2) numbers = reader.message(Column.decode);
		else if (reader.field === 3) fields = reader.message(Column.decode);
		else if (reader.field === 4) radioIds = reader.bytes();
		else if (reader.field >= 5 && reader.field <= 12) texts.set(reader.field, reader.message(Texts.decode));
		else if (reader.field === 13) status = reader.message(StatusColumns.decode);
		else if (reader.field === 14) positions = reader.message(PositionColumns.decode);
		else if (reader.field === 15) telemetry = reader.message(TelemetryColumns.decode);
	}
	const nodes = numbers.ascending(count).map((number): NumberedNode => ({ number, record: { id: '' } }));
	const records = nodes.map(({ record }) => record);
	const sums = fields.values(count);
	const having = (bit: number) => records.filter((_, i) => (sums[i] as number) & bit);
	const textsOf = (field: number, rows: number) => (texts.get(field) ?? Texts.EMPTY).values(rows);

	const radios = having(BITS.radioId);
	fill(radios, 'id', radioNames(radioIds, radios.length));
	const others = records.filter((_, i) => !((sums[i] as number) & BITS.radioId));
	fill(others, 'id', textsOf(5, others.length));

	for (const [field, name] of TEXTS) fill(records, name, textsOf(field, count));
	const namedById = BITS.shortNameOfId | BITS.longNameOfId;
	if (sums.some((sum) => sum & namedById && !(sum & BITS.radioId))) throw new ProtoError('a name is of no radio id');
	for (const record of having(BITS.shortNameOfId)) record.shortName = record.id.slice(-4);
	for (const record of having(BITS.longNameOfId)) record.longName = `Meshtastic ${record.id.slice(-4)}`;

	status.rows(count).forEach((row, i) => {
		Object.assign(records[i] as NodeRecord, row);
	});
	const placed = having(BITS.position);
	fill(placed, 'position', positions.rows(placed.length));
	const measured = having(BITS.telemetry);
	fill(measured, 'telemetry', telemetry.rows(measured.length));
	return nodes;
}

/** Ids out of the numbers of radios. */
function radioNames(bytes: Uint8Array, rows: number): string[] {
	if (bytes.length !== RADIO_ID_BYTES * rows) throw new ProtoError('there are not as many radio ids as rows');
	const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	return Array.from({ length: rows }, (_, i) => {
		const digits = view.getUint32(i * RADIO_ID_BYTES).toString(16);
		return `!${digits.padStart(2 * RADIO_ID_BYTES, '0')}`;
	});
}

/** Sets a field of those records that have it. */
function fill<Name extends keyof NodeRecord>(
	records: NodeRecord[],
	name: Name,
	values: (NodeRecord[Name] | undefined)[],
): void {
	values.forEach((value, i) => {
		if (value !== undefined) (records[i] as NodeRecord)[name] = value;
	});
}
