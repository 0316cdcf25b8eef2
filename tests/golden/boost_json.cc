// The one place where Boost.JSON is compiled into these tests.
#include <boost/json/src.hpp>
