// A build without MNN, which can only calibrate.

#include "session.hpp"

namespace runner {

Engine engine() { return {"none", nullptr}; }

}  // namespace runner
