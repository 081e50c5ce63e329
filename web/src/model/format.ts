const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** How long ago, short enough for a list: `now`, `42 s`, `7 min`, `3 h`, `12 d`. */
export function age(time: number | undefined, now: number): string {
	if (time === undefined) return 'never';
	const gone = now - time;
	if (gone < 5 * SECOND) return 'now';
	if (gone < MINUTE) return `${Math.floor(gone / SECOND)} s`;
	if (gone < HOUR) return `${Math.floor(gone / MINUTE)} min`;
	if (gone < 2 * DAY) return `${Math.floor(gone / HOUR)} h`;
	return `${Math.floor(gone / DAY)} d`;
}

export function ago(time: number | undefined, now: number): string {
	const text = age(time, now);
	return text === 'now' || text === 'never' ? text : `${text} ago`;
}

export function duration(seconds: number): string {
	const minutes = Math.floor(seconds / 60);
	const hours = Math.floor(minutes / 60);
	const days = Math.floor(hours / 24);
	if (days > 0) return `${days} d ${hours % 24} h`;
	if (hours > 0) return `${hours} h ${minutes % 60} min`;
	if (minutes > 0) return `${minutes} min`;
	return `${Math.floor(seconds)} s`;
}

const dateAndTime = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium' });
const timeOnly = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });

export function fullTime(time: number): string {
	return dateAndTime.format(time);
}

/** The time of day, with the date in front when it was another day. */
export function shortTime(time: number, now: number): string {
	if (new Date(time).toDateString() === new Date(now).toDateString()) return timeOnly.format(time);
	return new Intl.DateTimeFormat(undefined, {
		day: 'numeric',
		month: 'short',
		hour: '2-digit',
		minute: '2-digit',
	}).format(time);
}

export function number(value: number, digits = 1): string {
	const factor = 10 ** digits;
	return String(Math.round(value * factor) / factor);
}

export function coordinates(latitude: number, longitude: number): string {
	const northSouth = latitude >= 0 ? 'N' : 'S';
	const eastWest = longitude >= 0 ? 'E' : 'W';
	return `${Math.abs(latitude).toFixed(5)}° ${northSouth}, ${Math.abs(longitude).toFixed(5)}° ${eastWest}`;
}

export function distance(metres: number): string {
	if (metres >= 10_000) return `${Math.round(metres / 1000)} km`;
	if (metres >= 1000) return `${number(metres / 1000)} km`;
	return `${Math.round(metres)} m`;
}

export function count(amount: number, one: string, many = `${one}s`): string {
	return `${amount.toLocaleString()} ${amount === 1 ? one : many}`;
}
