#!/usr/bin/env node
import path from 'node:path';
import { Command } from 'commander';
import type { Installation } from '../compose.js';
import { readCatalog } from '../config/catalog.js';
import { type Environment, readEnvironment } from '../config/environment.js';
import { readPolicy } from '../config/policy.js';
import { ConfigError } from '../config/yaml-file.js';
import { createClock } from '../core/clock.js';
import { HushError } from '../core/errors.js';
import { KEY_SCOPES, type KeyScope } from '../core/key-scopes.js';
import { machine } from '../machine.js';
import type { Stores } from '../store/open.js';
import type { ImportOptions } from './import.js';
import type { VerifyOptions } from './verify.js';

/*
 * What a command needs beyond configuration is imported by its action: help and wrong options are answered without stores,
 * providers and the web.
 */

/** sysexits.h: the mail server keeps the message and tries again. */
const EX_TEMPFAIL = 75;

const say = (line: string) => process.stdout.write(`${line}\n`);

/** MongoDB of the environment, or the one that `npm start` runs right now. */
async function mongoUriOf(environment: Environment): Promise<string> {
  const { runningStores } = await import('../embedded/index.js');
  const uri = environment.mongoUri ?? (await runningStores(environment.dataDir))?.mongoUri;
  if (uri !== undefined) return uri;
  throw new ConfigError('There is no store. Set MONGODB_URI, or run npm start beside this.');
}

async function withStores<T>(work: (stores: Stores, environment: Environment) => Promise<T>): Promise<T> {
  const environment = readEnvironment();
  const { openCheckedStores } = await import('../start-up.js');
  const { stores } = await openCheckedStores({ ...environment, mongoUri: await mongoUriOf(environment) }, machine);
  try {
    return await work(stores, environment);
  } finally {
    await stores.close();
  }
}

/** An installation with all its parts and none of its roles started: what it is given is taken up by those that run. */
async function withInstallation<T>(work: (installation: Installation) => Promise<T>): Promise<T> {
  const environment = readEnvironment();
  const { runningStores } = await import('../embedded/index.js');
  const running = environment.mongoUri && environment.redisUrl ? undefined : await runningStores(environment.dataDir);
  const mongoUri = environment.mongoUri ?? running?.mongoUri;
  const redisUrl = environment.redisUrl ?? running?.redisUrl;
  if (mongoUri === undefined || redisUrl === undefined) {
    throw new ConfigError('There is no store. Set MONGODB_URI and REDIS_URL, or run npm start beside this.');
  }
  const [{ compose }, { createLog }] = await Promise.all([import('../compose.js'), import('../logger.js')]);
  const log = createLog('silent');
  const installation = await compose({ ...environment, mongoUri, redisUrl }, { log });
  try {
    return await work(installation);
  } finally {
    await installation.stop();
  }
}

function scopesFrom(text: string): KeyScope[] {
  const wanted = text.split(',').map((item) => item.trim());
  if (wanted.includes('all')) return [...KEY_SCOPES];
  return wanted.map((item) => {
    const scope = KEY_SCOPES.find((known) => known === item);
    if (!scope) throw new ConfigError(`There is no scope ${item}. Use all, or some of ${KEY_SCOPES.join(', ')}.`);
    return scope;
  });
}

const program = new Command('hush').description('Marketing preferences and opt-outs').showHelpAfterError();

const keys = program.command('keys').description('API keys: only their hashes are kept');
keys
  .command('create')
  .description('makes a key and prints it; it cannot be printed again')
  .requiredOption('--name <name>', 'who uses it')
  .requiredOption('--scopes <scopes>', `all, or some of ${KEY_SCOPES.join(',')}`)
  .action((options: { name: string; scopes: string }) =>
    withStores(async ({ apiKeys }) => {
      const { id, key } = await apiKeys.create(options.name, scopesFrom(options.scopes));
      say(`${key}`);
      process.stderr.write(`id ${id}: keep the key now; hush keys revoke ${id} ends it\n`);
    }),
  );
keys
  .command('list')
  .description('names and scopes of all keys')
  .action(() =>
    withStores(async ({ apiKeys }) => {
      for (const { id, name, scopes, createdAt, revokedAt } of await apiKeys.list()) {
        say(
          `${id}  ${createdAt.toISOString().slice(0, 10)}  ${revokedAt ? 'revoked' : 'valid  '}  ${name}  ${scopes.join(',')}`,
        );
      }
    }),
  );
keys
  .command('revoke <id>')
  .description('ends a key; every process knows within two seconds')
  .action((id: string) =>
    withStores(async ({ apiKeys }) => {
      if (!(await apiKeys.revoke(id))) throw new ConfigError(`There is no valid key ${id}. See hush keys list.`);
      say(`revoked ${id}`);
    }),
  );

program
  .command('inbound')
  .description('takes one raw message from standard input: an unsubscribe, a bounce, a complaint')
  .option('--dry-run', 'says what would be recorded and records nothing')
  .option('--to <address...>', 'recipients of the envelope, where the headers lost them')
  .addHelpText(
    'after',
    '\nEnds with 75 (try again later) while the record cannot be reached, so that fetchmail and mail servers keep the message.\nExample: hush inbound --dry-run < bounce.eml',
  )
  .action(async (options: { dryRun?: boolean; to?: string[] }) => {
    const chunks: Buffer[] = [];
    for await (const chunk of process.stdin) chunks.push(Buffer.from(chunk));
    try {
      await withInstallation(async ({ inbound }) => {
        const reception = await inbound.mailIn.receive(Buffer.concat(chunks), {
          via: 'cli',
          dryRun: options.dryRun ?? false,
          envelopeTo: options.to ?? [],
        });
        say(JSON.stringify(reception, undefined, 2));
      });
    } catch (error) {
      process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
      process.exitCode = error instanceof HushError && error.kind === 'too_large' ? 65 : EX_TEMPFAIL;
    }
  });

program
  .command('check')
  .description('checks environment, catalog and policy without starting anything')
  .action(() => {
    const environment = readEnvironment();
    const catalog = readCatalog(path.join(environment.configDir, 'catalog.yaml'));
    readPolicy(path.join(environment.configDir, 'policy.yaml'));
    say(
      `${catalog.brands.length} brands, ${catalog.topics.length} topics, ${catalog.destinations.length} destinations: all well`,
    );
  });

program
  .command('verify [export]')
  .description('checks the whole record, or an export by itself: every entry, leaf, checkpoint and signature')
  .option('--json', 'the report as JSON')
  .option('--vkey <key...>', "the log's verifier keys, or files with them, from elsewhere than the record")
  .option('--trusted <file...>', 'checkpoints kept elsewhere: only they show that everything was cut off together')
  .action(async (file: string | undefined, options: VerifyOptions) => {
    const { verifyFile, verifyLive } = await import('./verify.js');
    const well =
      file === undefined
        ? await withStores((stores, environment) => verifyLive(stores, environment, options, say))
        : await verifyFile(file, options, say);
    if (!well) process.exitCode = 1;
  });

program
  .command('export <file>')
  .description('writes a period of the ledger with its proofs, as NDJSON (packed when the name ends in .gz)')
  .option('--from <day>', 'first day, as 2026-03-01; from the beginning without')
  .option('--to <day>', 'last day; until now without')
  .action((file: string, options: { from?: string; to?: string }) =>
    withStores(async (stores, environment) => {
      const { exportTo } = await import('./export.js');
      const leaves = await exportTo(file, options, stores, environment);
      say(`${leaves} entries in ${file}. Check it with: hush verify ${file} --vkey <key of the log>`);
    }),
  );

program
  .command('import <file...>')
  .description(
    'brings opt-outs, complaints and bounces from another product, as the product exports them, to a running Hush',
  )
  .option(
    '--from <product>',
    'whose export it is, such as mailchimp; auto finds it out; csv is a list with columns of ours',
  )
  .option('--list <name>', 'name of the list: a row of a list counts once, however often it is sent; else the product')
  .option('--dry-run', 'reads all of it and records nothing')
  .option('--brand <brand>', 'what is recorded is about this brand alone')
  .option('--channel <channel>', 'email, where a product says no other')
  .option('--purpose <purpose>', 'marketing, where nothing else is said')
  .option('--topic <topic>', 'what is recorded is about this topic alone, as of a list or group there')
  .option('--only <name>', 'the group, tag, topic or subscription type there whose opt-outs count too')
  .option('--at <time>', 'when it happened, for rows that do not say')
  .option('--time-zone <zone>', 'of times that name none, such as America/Chicago; else UTC')
  .option('--column <name>', 'with csv: the column that has the contact')
  .option('--type <type>', 'with csv: what happened, where rows do not say; else opted_out')
  .option('--url <url>', 'of the running Hush; else PUBLIC_URL')
  .option('--key <key>', 'API key with the scope imports; else HUSH_API_KEY')
  .option('--json', 'the report as JSON, one line a file')
  .addHelpText(
    'after',
    '\nEnds with 1 when rows were wrong or a file could not be read; the others are recorded.\nExample: hush import --from mailchimp audience_export.zip --dry-run',
  )
  .action(async (files: string[], options: ImportOptions) => {
    const { importFiles } = await import('./import.js');
    const environment = readEnvironment();
    const url = options.url ?? environment.publicUrl ?? `http://localhost:${environment.port}`;
    const at = { url, key: options.key ?? environment.apiKey };
    if (!(await importFiles(files, options, at, say))) process.exitCode = 1;
  });

program
  .command('reconcile <destination>')
  .description('compares what a destination holds with what it was told, and repairs both ways; a worker does the work')
  .option('--dry-run', 'counts and changes nothing')
  .option('--json', 'what was found as JSON')
  .action((name: string, options: { dryRun?: boolean; json?: boolean }) =>
    withStores(async ({ reconciliations }, environment) => {
      const catalog = readCatalog(path.join(environment.configDir, 'catalog.yaml'));
      if (!catalog.destinations.some((item) => item.name === name)) {
        const names = catalog.destinations.map((item) => item.name).join(', ');
        throw new ConfigError(`There is no destination ${name} in config/catalog.yaml. Use one of ${names}.`);
      }
      const { reconcile, reportOf } = await import('./reconcile.js');
      const run = await reconcile({
        reconciliations,
        name,
        dryRun: options.dryRun === true,
        now: createClock(machine.now).now,
        out: process.stderr,
      });
      if (options.json) say(JSON.stringify({ dryRun: run.dryRun, read: run.read, found: run.found }));
      else for (const line of reportOf(run)) say(line);
    }),
  );

program
  .command('backfill [destination]')
  .description('counts what a start with this configuration would tell; changes nothing')
  .option('--json', 'the counts as JSON')
  .action((name: string | undefined, options: { json?: boolean }) =>
    withStores(async ({ contacts }, environment) => {
      const [{ previewBackfill }, { bindDestinations }, { adapters }, { createHttp }, { progressBar }] =
        await Promise.all([
          import('../sync/backfill-preview.js'),
          import('../sync/bind.js'),
          import('../sync/destinations/index.js'),
          import('../sync/http.js'),
          import('./progress-bar.js'),
        ]);
      const catalog = readCatalog(path.join(environment.configDir, 'catalog.yaml'));
      const policy = readPolicy(path.join(environment.configDir, 'policy.yaml'));
      const clock = createClock(machine.now);
      const http = createHttp({ now: clock.now });
      const all = bindDestinations(catalog, adapters, { http, now: clock.now, machine, dataDir: environment.dataDir });
      const destinations = all.filter((bound) => name === undefined || bound.name === name);
      if (destinations.length === 0) {
        const names = all.map((bound) => bound.name).join(', ');
        throw new ConfigError(`There is no destination ${name ?? ''} in config/catalog.yaml. Use one of ${names}.`);
      }
      const bar = progressBar('contacts', process.stderr);
      bar.start(Math.max(1, await contacts.count()), 0, { phase: 'looking' });
      const previews = await previewBackfill({
        contacts,
        destinations,
        policy,
        clock,
        onProgress: (looked) => bar.increment(looked),
      }).finally(() => bar.stop());
      if (options.json) say(JSON.stringify(previews));
      else
        for (const { destination, binding, suppress, lift, withoutAddress } of previews) {
          say(`${destination} ${binding}: ${suppress} suppress, ${lift} lift, ${withoutAddress} without an address`);
        }
    }),
  );

program.parseAsync().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
