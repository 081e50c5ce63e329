// Runs the browser test against the mock server. Build the page first.

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { startMock } from './mock-server.mjs';

const mock = await startMock();
const test = fileURLToPath(new URL('./map.test.mjs', import.meta.url));
const child = spawn(process.execPath, ['--test', test], {
	stdio: 'inherit',
	env: { ...process.env, GEOCAST_URL: mock.url },
});
child.on('exit', async (code) => {
	await mock.stop();
	process.exit(code ?? 1);
});
