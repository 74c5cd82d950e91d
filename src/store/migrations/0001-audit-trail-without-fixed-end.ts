import type { Migration } from './migration.js';

/**
 * Earlier versions had the database itself remove entries of the audit trail after a fixed time. The policy decides now and
 * may say longer, so that index goes.
 */
export const auditTrailWithoutFixedEnd: Migration = {
  name: '0001-audit-trail-without-fixed-end',
  async run(connection) {
    const trail = connection.collection('audit_trail');
    // The indexes of a collection that nobody has made yet cannot be listed.
    if ((await connection.db?.listCollections({ name: 'audit_trail' }).toArray())?.length === 0) return;
    for (const { name, key, expireAfterSeconds } of await trail.indexes()) {
      if (name !== undefined && key.at === -1 && expireAfterSeconds !== undefined) await trail.dropIndex(name);
    }
  },
};
