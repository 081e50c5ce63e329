// Writes a .br and a .gz beside every file in dist that is worth it, so that the server only has to choose.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const WORTH_IT_BYTES = 1024;
/** Above this size the best brotli quality takes seconds and gains little. */
const LARGE_BYTES = 32 * 1024;

const dist = fileURLToPath(new URL('../dist', import.meta.url));
const totals = { plain: 0, br: 0, gz: 0 };
for (const entry of readdirSync(dist, { recursive: true, withFileTypes: true })) {
	if (!entry.isFile() || /\.(br|gz)$/.test(entry.name)) continue;
	const path = join(entry.parentPath, entry.name);
	const plain = readFileSync(path);
	totals.plain += plain.length;
	if (plain.length <= WORTH_IT_BYTES) continue;
	const params = {
		[constants.BROTLI_PARAM_QUALITY]: plain.length > LARGE_BYTES ? 9 : 11,
		[constants.BROTLI_PARAM_SIZE_HINT]: plain.length,
	};
	const br = brotliCompressSync(plain, { params });
	const gz = gzipSync(plain, { level: 9 });
	writeFileSync(`${path}.br`, br);
	writeFileSync(`${path}.gz`, gz);
	totals.br += br.length;
	totals.gz += gz.length;
}
const kib = (bytes) => `${Math.round(bytes / 1024)} KiB`;
console.log(`dist: ${kib(totals.plain)} plain, ${kib(totals.br)} brotli, ${kib(totals.gz)} gzip`);
