import type { NodeRecord, TelemetryRecord } from '../src/protocol.gen.js';
import { anyPosition, protoMetric, protoPositions } from './frames.js';
import { type Chance, column, stepwise } from './reference.js';

export interface Row {
	number: number;
	node: NodeRecord;
}

/** A node as the server may know it, save its links, for which there is no column. */
export function anyNode(chance: Chance, number: number, floats: boolean): NodeRecord {
	const text = () => chance.pick([chance.text(), 'CLIENT', '', `node ${number}`]);
	const digits = number.toString(16).padStart(8, chance.pick(['0', 'f']));
	return {
		id: chance.maybe(0.7) ? `!${digits}` : `${chance.text()}${number}`,
		...(chance.maybe(0.9) && { network: 'meshtastic' }),
		...(chance.maybe() && { shortName: chance.pick([chance.text(), digits.slice(4)]) }),
		...(chance.maybe(0.9) && { longName: chance.pick([text(), `Meshtastic ${digits.slice(4)}`]) }),
		...(chance.maybe() && { hwModel: text() }),
		...(chance.maybe() && { role: text() }),
		...(chance.maybe(0.1) && { firmware: text() }),
		...(chance.maybe() && { channel: text() }),
		online: chance.maybe(),
		lastHeard: chance.pick([1000, 1]) * chance.between(0, 1_800_000_000),
		...(chance.maybe(0.8) && { position: anyPosition(chance, floats) }),
		...(chance.maybe(0.8) && { telemetry: anyTelemetry(chance, floats) }),
	};
}

function anyTelemetry(chance: Chance, floats: boolean): TelemetryRecord {
	const reading = () => (floats ? chance.next() * 100 : chance.between(-10_000, 10_000) / 100);
	return {
		time: chance.pick([1000, 1]) * chance.between(0, 1_800_000_000),
		...(chance.maybe(0.9) && { batteryLevel: chance.below(102) }),
		...(chance.maybe() && { voltage: reading() }),
		...(chance.maybe(0.1) && { temperature: reading() }),
	};
}

/** `NodeColumns` of nodes in the order of their numbers, straight from the words of the schema. */
export function protoColumns(rows: Row[], chance: Chance, floats = false): object {
	const nodes = rows.map(({ node }) => node);
	const hasRadioId = nodes.map(({ id }) => /^![0-9a-f]{8}$/.test(id) && chance.maybe(0.9));
	const radioIds = nodes.filter((_, i) => hasRadioId[i]).map(({ id }) => id.slice(1));
	const fields = nodes.map(({ id, shortName, longName, position, telemetry }, i) => {
		const [isShort, isLong] = [shortName === id.slice(5), longName === `Meshtastic ${id.slice(5)}`];
		// A name may also be spelled out.
		const names = hasRadioId[i]
			? 8 * Number(isShort && chance.maybe(0.9)) + 16 * Number(isLong && chance.maybe(0.9))
			: 0;
		return Number(hasRadioId[i]) + 2 * Number(!!position) + 4 * Number(!!telemetry) + names;
	});
	const unless = (bit: number, of: (node: NodeRecord) => string | undefined) =>
		protoTexts(
			nodes.map((node, i) => ((fields[i] as number) & bit ? undefined : of(node))),
			chance,
		);
	const placed = rows.flatMap(({ number, node }) =>
		node.position ? [{ number, position: node.position, held: undefined }] : [],
	);
	const { positionUpdate } = protoPositions(placed, false, floats, chance);
	const texts = (of: (node: NodeRecord) => string | undefined) => protoTexts(nodes.map(of), chance);
	const lastHeard = nodes.map((node) => node.lastHeard as number);
	return {
		count: rows.length,
		numbers: steps(
			rows.map(({ number }) => number),
			chance,
		),
		fields: steps(fields, chance),
		radioIds: Uint8Array.from(radioIds.join('').match(/../g) ?? [], (digits) => Number.parseInt(digits, 16)),
		ids: protoTexts(
			nodes.filter((_, i) => !hasRadioId[i]).map(({ id }) => id),
			chance,
		),
		networks: texts(({ network }) => network),
		shortNames: unless(8, ({ shortName }) => shortName),
		longNames: unless(16, ({ longName }) => longName),
		hwModels: texts(({ hwModel }) => hwModel),
		roles: texts(({ role }) => role),
		firmwares: texts(({ firmware }) => firmware),
		channels: texts(({ channel }) => channel),
		status: {
			online: steps(
				nodes.map(({ online }) => Number(online)),
				chance,
			),
			...protoTimes(lastHeard, 'lastHeard', chance),
		},
		positions: { ...positionUpdate, revision: undefined, count: undefined, numbers: undefined },
		telemetry: protoReadings(
			nodes.flatMap(({ telemetry }) => telemetry ?? []),
			chance,
		),
	};
}

export function protoTexts(rows: (string | undefined)[], chance: Chance): object {
	const known = rows.filter((text) => text !== undefined);
	// Each row may have a text of its own even where some are the same.
	const isSpelledOut = known.length === rows.length && chance.maybe(0.2);
	const texts = isSpelledOut ? known : [...new Set(known)];
	const bytes = texts.map((text) => new TextEncoder().encode(text));
	const choices = rows.map((text) => (text === undefined ? texts.length : texts.indexOf(text)));
	return {
		count: texts.length,
		lengths: steps(
			bytes.map(({ length }) => length),
			chance,
		),
		texts: Uint8Array.from(bytes.flatMap((one) => [...one])),
		...(texts.length !== rows.length && { choices: steps(choices, chance) }),
	};
}

function protoReadings(rows: TelemetryRecord[], chance: Chance): object {
	const names = new Set(rows.flatMap((row) => Object.keys(row).filter((name) => name !== 'time')));
	const times = rows.map(({ time }) => time);
	return {
		...protoTimes(times, 'times', chance),
		metrics: [...names].map((name) => {
			const values = rows.flatMap((row) => row[name] ?? []);
			const hundredths = values.map((value) => Math.round(value * 100));
			const areHundredths = values.every((value, i) => (hundredths[i] as number) / 100 === value);
			return {
				metric: protoMetric(name),
				lacking: steps(
					rows.map((row) => Number(row[name] === undefined)),
					chance,
				),
				values: areHundredths ? { decimals: 2, values: steps(hundredths, chance) } : { exact: values },
			};
		}),
	};
}

function protoTimes(times: number[], name: string, chance: Chance): object {
	const timeUnitMs = times.every((time) => time % 1000 === 0) ? 1000 : 1;
	const units = times.map((time) => time / timeUnitMs);
	return { [name]: steps(units, chance), timeUnitMs };
}

/** Each number as the difference from the row before; a column may be absent where every difference is 0. */
function steps(values: number[], chance: Chance): object | undefined {
	const differences = stepwise(values);
	if (differences.every((difference) => difference === 0) && chance.maybe()) return undefined;
	return column(differences, chance.below(20));
}
