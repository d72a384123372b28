// The map is kept in the browser's IndexedDB while it is painted, so that it outlives the server.

const NAME = "histosyn-paint";
const STORE = "maps";

function opened() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

async function inStore(mode, act) {
  const database = await opened();
  try {
    return await new Promise((resolve, reject) => {
      const transaction = database.transaction(STORE, mode);
      const request = act(transaction.objectStore(STORE));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onerror = () => reject(transaction.error);
    });
  } finally {
    database.close();
  }
}

// Maps of different schemas are kept side by side.
export const keep = (schema, recipe) => inStore("readwrite", (store) => store.put(recipe, schema));
export const kept = (schema) => inStore("readonly", (store) => store.get(schema));
export const forget = (schema) => inStore("readwrite", (store) => store.delete(schema));
