import type { NodeRecord } from 'geocast-client';

/**
 * fresh: online and heard lately; quiet: online by the server's judgement, but silent for a while; offline: the rest.
 */
export type Status = 'fresh' | 'quiet' | 'offline';

/** An online node that has been silent for this long is shown as quiet. */
export const QUIET_AFTER_MS = 15 * 60_000;
/** An offline node that has been silent for this long is drawn paler. */
export const OLD_AFTER_MS = 24 * 3_600_000;

export function statusOf(node: NodeRecord, now: number): Status {
	if (!node.online) return 'offline';
	if (node.lastHeard === undefined) return 'quiet';
	return now - node.lastHeard < QUIET_AFTER_MS ? 'fresh' : 'quiet';
}

export function isOld(node: NodeRecord, now: number): boolean {
	return node.lastHeard === undefined || now - node.lastHeard >= OLD_AFTER_MS;
}

export const STATUS_NAMES: Record<Status, string> = {
	fresh: 'online',
	quiet: 'online, quiet',
	offline: 'offline',
};

/** What stands beside a node's mark: its short name, or the end of its id, as the radios themselves show it. */
export function shortNameOf(node: NodeRecord): string {
	return node.shortName?.trim() || node.id.slice(-4);
}

export function longNameOf(node: NodeRecord): string {
	return node.longName?.trim() || node.shortName?.trim() || node.id;
}
