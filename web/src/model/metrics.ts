import { duration, number } from './format';

interface Metric {
	name: string;
	unit: string;
	digits: number;
	/** The range of the chart's axis, where the metric has a natural one. */
	range?: [number, number];
}

/** Readings with a known name, in the order in which they are shown. Others follow under their own name. */
const METRICS: Record<string, Metric> = {
	batteryLevel: { name: 'Battery', unit: '%', digits: 0, range: [0, 100] },
	voltage: { name: 'Voltage', unit: 'V', digits: 2 },
	channelUtilization: { name: 'Channel utilisation', unit: '%', digits: 1 },
	airUtilTx: { name: 'Airtime sent', unit: '%', digits: 2 },
	temperature: { name: 'Temperature', unit: '°C', digits: 1 },
	relativeHumidity: { name: 'Humidity', unit: '%', digits: 0, range: [0, 100] },
	barometricPressure: { name: 'Pressure', unit: 'hPa', digits: 1 },
	gasResistance: { name: 'Gas resistance', unit: 'MΩ', digits: 2 },
	iaq: { name: 'Air quality index', unit: '', digits: 0 },
	lux: { name: 'Light', unit: 'lx', digits: 0 },
	windSpeed: { name: 'Wind', unit: 'm/s', digits: 1 },
	windDirection: { name: 'Wind direction', unit: '°', digits: 0 },
	windGust: { name: 'Gusts', unit: 'm/s', digits: 1 },
	current: { name: 'Current', unit: 'mA', digits: 0 },
	pm10Standard: { name: 'PM1', unit: 'µg/m³', digits: 0 },
	pm25Standard: { name: 'PM2.5', unit: 'µg/m³', digits: 0 },
	pm100Standard: { name: 'PM10', unit: 'µg/m³', digits: 0 },
	uptimeSeconds: { name: 'Uptime', unit: '', digits: 0 },
};

/** Meshtastic reports a battery level above 100 for a node on external power. */
const FULL_BATTERY = 100;

/** These have a value worth reading, but a chart of them says nothing. */
const NOT_CHARTED = new Set(['uptimeSeconds', 'time']);

export function metricName(key: string): string {
	return METRICS[key]?.name ?? spacedOut(key);
}

export function metricUnit(key: string): string {
	return METRICS[key]?.unit ?? '';
}

export function metricRange(key: string): [number, number] | undefined {
	return METRICS[key]?.range;
}

export function metricValue(key: string, value: number): string {
	if (key === 'batteryLevel' && value > FULL_BATTERY) return 'powered';
	if (key === 'uptimeSeconds') return duration(value);
	const metric = METRICS[key];
	const text = number(value, metric?.digits ?? 2);
	if (!metric?.unit) return text;
	return metric.unit === '%' || metric.unit === '°' ? text + metric.unit : `${text} ${metric.unit}`;
}

/** Names of readings, the known ones first and in their order. */
export function metricsInOrder(keys: Iterable<string>): string[] {
	const order = Object.keys(METRICS);
	const place = (key: string) => (order.includes(key) ? order.indexOf(key) : order.length);
	return [...keys].filter((key) => key !== 'time').sort((a, b) => place(a) - place(b) || a.localeCompare(b));
}

export function isCharted(key: string): boolean {
	return !NOT_CHARTED.has(key);
}

/** `soilMoisture2` becomes `Soil moisture 2`. */
function spacedOut(key: string): string {
	const words = key.replace(/([a-z])([A-Z0-9])/g, '$1 $2').toLowerCase();
	return words.charAt(0).toUpperCase() + words.slice(1);
}
