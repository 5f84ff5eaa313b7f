// A build without MNN: it calibrates, and says so.

#include "session.hpp"

namespace runner {

Engine engine() { return {"none", nullptr}; }

}  // namespace runner
