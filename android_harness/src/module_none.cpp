// A build with an MNN that lacks the Module API.

#include "refused.hpp"
#include "session_mnn.hpp"

namespace runner {

std::unique_ptr<Session> open_module(const Arguments&) {
  throw Refused(
      "the model needs MNN's Module API, and this runner's MNN has none: put libMNN_Express.so "
      "beside libMNN.so and MNN/expr beside its headers, and build it again");
}

}  // namespace runner
