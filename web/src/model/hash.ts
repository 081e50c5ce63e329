/** What the address bar remembers: `#zoom/latitude/longitude&node=!id&explain=!id`. */
export interface Place {
	zoom: number;
	latitude: number;
	longitude: number;
}

export interface PageState {
	place: Place | null;
	node: string | null;
	/** Whom it is asked of why it is here, or not. */
	explain?: string | undefined;
}

export function readHash(hash: string): PageState {
	const [first = '', ...rest] = hash.replace(/^#/, '').split('&');
	const named = (name: string) => {
		const value = rest.find((part) => part.startsWith(`${name}=`))?.slice(name.length + 1);
		return value ? decoded(value) : null;
	};
	return { place: readPlace(first), node: named('node'), explain: named('explain') ?? undefined };
}

export function writeHash({ place, node, explain }: PageState): string {
	const where = place ? `${trimmed(place.zoom, 2)}/${trimmed(place.latitude, 5)}/${trimmed(place.longitude, 5)}` : '';
	const named = (name: string, id: string | null | undefined) => (id ? `&${name}=${encodeURIComponent(id)}` : '');
	return `#${where}${named('node', node)}${named('explain', explain)}`;
}

function readPlace(text: string): Place | null {
	const parts = text.split('/');
	if (parts.length !== 3 || parts.includes('')) return null;
	const [zoom, latitude, longitude] = parts.map(Number) as [number, number, number];
	if (![zoom, latitude, longitude].every(Number.isFinite)) return null;
	if (zoom < 0 || zoom > 24 || Math.abs(latitude) > 90 || Math.abs(longitude) > 180) return null;
	return { zoom, latitude, longitude };
}

function decoded(text: string): string | null {
	try {
		return decodeURIComponent(text);
	} catch {
		return null;
	}
}

function trimmed(value: number, digits: number): string {
	return String(Number(value.toFixed(digits)));
}
