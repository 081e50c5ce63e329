import { METRICS, type TelemetryRecord } from '../protocol.gen.js';
import { Column, Decimals } from './column.js';
import { ProtoError, type Reader } from './reader.js';

/** The readings of some nodes: see `TelemetryColumns` in geocast.v1.proto. */
export class TelemetryColumns {
	private times = Column.EMPTY;
	private timeUnitMs = 0;
	private readonly metrics: MetricColumn[] = [];

	static decode(reader: Reader): TelemetryColumns {
		const columns = new TelemetryColumns();
		while (reader.next()) {
			if (reader.field === 1) columns.times = reader.message(Column.decode);
			else if (reader.field === 2) columns.timeUnitMs = reader.uint();
			else if (reader.field === 3) columns.metrics.push(reader.message(metricColumn));
		}
		return columns;
	}

	rows(count: number): TelemetryRecord[] {
		const records = this.times.values(count).map((time): TelemetryRecord => ({ time: time * this.timeUnitMs }));
		const seen = new Set<string>();
		for (const { metric, lacking, values } of this.metrics) {
			const name = METRICS[metric];
			// A server may know metrics that this client does not.
			if (name === undefined) continue;
			// A column without bits stands for any number of rows, so many of them would cost much.
			if (seen.has(name)) throw new ProtoError(`the metric ${name} has two columns`);
			seen.add(name);
			const lacks = lacking.values(count);
			const having = records.filter((_, i) => lacks[i] === 0);
			values.values(having.length).forEach((value, i) => {
				(having[i] as TelemetryRecord)[name] = value;
			});
		}
		return records;
	}
}

interface MetricColumn {
	metric: number;
	lacking: Column;
	values: Decimals;
}

function metricColumn(reader: Reader): MetricColumn {
	const result: MetricColumn = { metric: 0, lacking: Column.EMPTY, values: Decimals.EMPTY };
	while (reader.next()) {
		if (reader.field === 1) result.metric = reader.uint();
		else if (reader.field === 2) result.lacking = reader.message(Column.decode);
		else if (reader.field === 3) result.values = reader.message(Decimals.decode);
	}
	return result;
}
