import type { MessageRecord, NodeRecord, PositionRecord, TelemetryRecord } from 'geocast-client';

export interface Config {
	mapStyleUrl: string | null;
	name: string;
	version: string;
}

export interface Health {
	ok: boolean;
	problems: string[];
}

/** What the server says of why a node is on the map, or not. Newest first. */
export interface Explanation {
	id: string;
	verdict: string;
	summary: string;
	heard: { time: number; topic?: string; channel?: string; gateway: string; port: number }[];
	refusals: { time: number; reason: string; message: string; topic?: string; gateway?: string }[];
	advice: string[];
}

/** The share link that the page was opened by: what it asks for is answered within its view. */
export const share = new URLSearchParams(location.search).get('share');

function address(path: string, parameters: Record<string, string | number> = {}): string {
	const all = { ...parameters, ...(share && { share }) };
	const query = new URLSearchParams(Object.entries(all).map(([name, value]) => [name, String(value)]));
	return `/api/${path}${query.size ? `?${query}` : ''}`;
}

async function get<T>(
	path: string,
	parameters: Record<string, string | number> = {},
	signal?: AbortSignal,
): Promise<T> {
	const response = await fetch(address(path, parameters), signal ? { signal } : {});
	if (!response.ok) throw new Error(`${path} answered ${response.status}`);
	return (await response.json()) as T;
}

export function fetchConfig(): Promise<Config> {
	return get('config');
}

export async function fetchNodes(limit: number): Promise<NodeRecord[]> {
	return (await get<{ nodes: NodeRecord[] }>('nodes', { limit })).nodes;
}

export async function searchNodes(text: string, limit: number, signal: AbortSignal): Promise<NodeRecord[]> {
	return (await get<{ nodes: NodeRecord[] }>('nodes', { q: text, limit }, signal)).nodes;
}

/** Null when the server does not know the node. */
export async function fetchNode(id: string): Promise<NodeRecord | null> {
	const response = await fetch(address(`nodes/${encodeURIComponent(id)}`));
	if (response.status === 404) return null;
	if (!response.ok) throw new Error(`the node was answered with ${response.status}`);
	return (await response.json()) as NodeRecord;
}

export function fetchExplanation(id: string): Promise<Explanation> {
	return get(`explain/${encodeURIComponent(id)}`);
}

/** Newest first. */
export async function fetchPositions(id: string, limit: number): Promise<PositionRecord[]> {
	const path = `nodes/${encodeURIComponent(id)}/positions`;
	return (await get<{ positions: PositionRecord[] }>(path, { limit })).positions;
}

/** Newest first. */
export async function fetchTelemetry(id: string, limit: number): Promise<TelemetryRecord[]> {
	const path = `nodes/${encodeURIComponent(id)}/telemetry`;
	return (await get<{ telemetry: TelemetryRecord[] }>(path, { limit })).telemetry;
}

/** Newest first: all, or those of one node. */
export async function fetchMessages(limit: number, node?: string): Promise<MessageRecord[]> {
	return (await get<{ messages: MessageRecord[] }>('messages', { limit, ...(node && { node }) })).messages;
}

export async function fetchHealth(): Promise<Health> {
	const response = await fetch('/api/health', { cache: 'no-store' });
	if (response.ok) return { ok: true, problems: [] };
	const body = (await response.json().catch(() => ({}))) as { problems?: unknown };
	const problems = Array.isArray(body.problems) ? body.problems.map(String) : [];
	return { ok: false, problems: problems.length ? problems : [`the server answered ${response.status}`] };
}
