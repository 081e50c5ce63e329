import type { NodeRecord, PositionRecord, ServerMessage } from '../src/protocol.gen.js';
import { protoColumns } from './columns.js';
import { type Chance, column, frame, stepwise } from './reference.js';

const units = (degrees: number) => Math.round(degrees * 1e7);

export function protoPosition(position: PositionRecord): object {
	return { ...position, latitude: units(position.latitude), longitude: units(position.longitude) };
}

export function protoNode(number: number, node: Partial<NodeRecord>): object {
	const { position, telemetry, links, ...plain } = node;
	const { time, ...metrics } = telemetry ?? { time: 0 };
	return {
		number,
		...plain,
		...(position && { position: protoPosition(position) }),
		...(telemetry && { telemetry: protoTelemetry(time, metrics) }),
		...(links && { links: { links } }),
	};
}

export function protoTelemetry(time: number, readings: object): object {
	const metrics = Object.keys(readings).map(protoMetric);
	return { time, metrics, values: Object.values(readings) };
}

/** What the description calls a metric. */
export function protoMetric(name: string): string {
	return `METRIC_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

/** A position as the server may know it: with places of 1e-7 degrees, and few decimals or any float. */
export function anyPosition(chance: Chance, floats: boolean): PositionRecord {
	const fraction = (largest: number) =>
		floats ? Number(Math.fround(chance.next() * largest).toPrecision(7)) : chance.between(0, largest * 100) / 100;
	return {
		latitude: chance.between(-900_000_000, 900_000_000) / 1e7,
		longitude: chance.between(-1_800_000_000, 1_800_000_000) / 1e7,
		time: chance.pick([1000, 1]) * chance.between(0, 1_800_000_000),
		...(chance.maybe() && { altitude: chance.between(-400, 9000) }),
		...(chance.maybe() && { groundSpeed: fraction(200) }),
		...(chance.maybe() && { groundTrack: fraction(360) }),
		...(chance.maybe() && { satsInView: chance.below(30) }),
		...(chance.maybe() && { precisionBits: chance.below(33) }),
	};
}

/** A `PositionUpdate`, straight from the words of the schema. */
export function protoPositions(
	rows: { number: number; position: PositionRecord; held: PositionRecord | undefined }[],
	relative: boolean,
	floats: boolean,
	chance: Chance,
): { positionUpdate: object } {
	const shift = () => chance.below(20);
	const against = (values: number[], held: number[]) =>
		relative ? values.map((value, i) => value - (held[i] as number)) : stepwise(values);
	const all = (value: (position: PositionRecord) => number) =>
		column(
			against(
				rows.map(({ position }) => value(position)),
				rows.map(({ held }) => (held ? value(held) : 0)),
			),
			shift(),
		);
	type Optional = 'altitude' | 'groundSpeed' | 'groundTrack' | 'satsInView' | 'precisionBits';
	const some = (name: Optional, unit = 1) => {
		const having = rows.filter(({ position }) => position[name] !== undefined);
		const scaled = (position?: PositionRecord) => Math.round((position?.[name] ?? 0) * unit);
		return column(
			against(
				having.map(({ position }) => scaled(position)),
				having.map(({ held }) => scaled(held)),
			),
			shift(),
		);
	};
	const decimals = (name: Optional) => {
		if (!floats) return { decimals: 2, values: some(name, 100) };
		return { exact: rows.flatMap(({ position }) => position[name] ?? []) };
	};
	const fields = (position: PositionRecord) =>
		(['altitude', 'groundSpeed', 'groundTrack', 'satsInView', 'precisionBits'] as const).reduce(
			(sum, name, i) => sum + (position[name] === undefined ? 0 : 2 ** i),
			0,
		);
	const timeUnitMs = rows.every(({ position }) => position.time % 1000 === 0) ? 1000 : 1;
	return {
		positionUpdate: {
			revision: 2,
			count: rows.length,
			relative,
			numbers: column(stepwise(rows.map(({ number }) => number)), shift()),
			latitudes: all(({ latitude }) => units(latitude)),
			longitudes: all(({ longitude }) => units(longitude)),
			times: column(stepwise(rows.map(({ position }) => position.time / timeUnitMs)), shift()),
			timeUnitMs,
			fields: all(fields),
			altitudes: some('altitude'),
			groundSpeeds: decimals('groundSpeed'),
			groundTracks: decimals('groundTrack'),
			satsInView: some('satsInView'),
			precisionBits: some('precisionBits'),
		},
	};
}

/** What a server knows that writes binary frames. */
export interface Book {
	numberOf(id: string): number;
	/** The position that clients hold. */
	held(id: string): PositionRecord | undefined;
}

/** A message as a server would write it in binary. */
export function binary(message: ServerMessage, book: Book, chance: Chance): Uint8Array {
	const nodes = (records: NodeRecord[]) =>
		records.map(({ id, ...rest }) => protoNode(book.numberOf(id), { id, ...rest }));
	const byNumber = <T extends { id: string }>(records: T[]) =>
		records.map((record) => ({ number: book.numberOf(record.id), record })).sort((a, b) => a.number - b.number);
	const cells = (records: { cell: string; total: number; online: number }[]) =>
		records.map(({ cell, ...counts }) => ({ x: Number(cell.split('/')[1]), y: Number(cell.split('/')[2]), ...counts }));
	const zoom = (records: { cell: string }[]) => Number(records[0]?.cell.split('/')[0] ?? 0);
	switch (message.type) {
		case 'hello':
			return frame({ hello: message });
		case 'error':
			return frame({ error: message });
		case 'pong':
			return frame({ pong: message });
		case 'snapshot': {
			const inColumns = byNumber(message.nodes.filter(() => chance.maybe()));
			const rows = inColumns.map(({ number, record }) => ({ number, node: record }));
			const others = message.nodes.filter((node) => inColumns.every(({ record }) => record !== node));
			return frame({
				snapshot: {
					...message,
					nodes: nodes(others),
					columns: [protoColumns(rows, chance)],
					removed: message.removed.map(book.numberOf),
					cells: cells(message.cells ?? []),
					zoom: zoom(message.cells ?? []),
				},
			});
		}
		case 'node_enter':
			return frame({ nodeEnter: { ...message, nodes: nodes(message.nodes) } });
		case 'node_update': {
			const changed = message.nodes.map(({ id, ...fields }) => protoNode(book.numberOf(id), fields));
			return frame({ nodeUpdate: { ...message, nodes: changed } });
		}
		case 'position_update': {
			const rows = byNumber(message.positions).map(({ number, record: { id, ...position } }) => ({
				number,
				position,
				held: book.held(id),
			}));
			const { positionUpdate } = protoPositions(rows, chance.maybe(), false, chance);
			return frame({ positionUpdate: { ...positionUpdate, revision: message.revision, more: message.more } });
		}
		case 'telemetry_update': {
			const telemetry = message.telemetry.map(({ id, time, ...metrics }) => ({
				number: book.numberOf(id),
				telemetry: protoTelemetry(time, metrics),
			}));
			return frame({ telemetryUpdate: { ...message, telemetry } });
		}
		case 'node_status': {
			const rows = byNumber(message.nodes);
			return frame({
				nodeStatus: {
					revision: message.revision,
					more: message.more,
					count: rows.length,
					numbers: column(stepwise(rows.map(({ number }) => number)), chance.below(8)),
					online: column(stepwise(rows.map(({ record }) => Number(record.online)))),
					lastHeard: column(stepwise(rows.map(({ record }) => record.lastHeard ?? 0)), chance.below(8)),
					timeUnitMs: 1,
				},
			});
		}
		case 'node_leave':
			return frame({ nodeLeave: { ...message, numbers: message.ids.map(book.numberOf) } });
		case 'cell_update':
			return frame({ cellUpdate: { ...message, cells: cells(message.cells), zoom: zoom(message.cells) } });
		case 'message':
			return frame({ message });
	}
}
